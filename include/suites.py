"""The suites of expectations on the catalog and on a frozen release: what must hold before it is published.

`critical` stops the release, `warning` goes onto its card. Suites read the tables of the schema `checking`, which
`create_checking_*.sql` makes for one run of the checks: the columns they need, worked out once, a row a thing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from include import settings

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

Severity = Literal["critical", "warning"]

MAX_DAYS_WITHOUT_NEWS = 30
MAX_SHARE_WITHOUT_AGREEMENT = 0.5
# Against the last release; below so many clips in it, a share or alpha says nothing.
MIN_CLIPS_TO_COMPARE = 100
MIN_SHARE_KEPT: dict[Severity, float] = {"critical": 0.5, "warning": 0.8}
MAX_ALPHA_LOST: dict[Severity, float] = {"critical": 0.15, "warning": 0.05}


@dataclass(frozen=True)
class Suite:
    """Expectations on one table of the schema `checking`, whose rows are named by one column."""

    name: str
    table: str
    id_column: str
    expectations: "list[Expectation]"
    digest: str | None = None
    """A table of few rows that meets the expectations if, and only if, the whole one does."""
    others: tuple[str, ...] = ()
    """What the statements of its expectations read beside."""

    @property
    def tables(self) -> tuple[str, ...]:
        """All tables that have to be there before the suite can run."""
        return (self.table, *([self.digest] if self.digest else []), *self.others)


def suites(*, is_drift_allowed: bool = False) -> list[Suite]:
    """All suites, in the order in which data flows.

    With `is_drift_allowed`, no distance from the last release is more than a warning.
    """
    return [
        Suite("sources", "source", "source_id", _sources()),
        Suite("clips", "clip", "clip_id", _clips(), digest="clip_digest"),
        Suite("annotations", "annotation", "annotation_id", _annotations(), digest="annotation_digest"),
        Suite("labels", "label", "clip_id", _labels()),
        Suite("sums", "sum", "name", _sums()),
        Suite("release", "release", "clip_id", _release(), others=("repeated_audio", "divided_speaker_group")),
        Suite("groups", "group_share", "name", _groups(is_drift_allowed)),
        Suite("agreement", "agreement", "name", _agreement(is_drift_allowed)),
    ]


def _sources() -> "list[Expectation]":
    import great_expectations.expectations as gxe

    return [
        _has_columns("source_id", "url", "has_licence", "days_known", "has_outcome"),
        gxe.ExpectColumnValuesToMatchRegex(column="url", regex="^https?://", severity="warning"),
        gxe.ExpectColumnValuesToBeUnique(
            column="url", severity="warning", description="no address is harvested as two sources"
        ),
        _is_true("has_licence", "every source has a licence, be it 'unknown'"),
        _is_true("has_outcome", "a clip, a reason or a next step came of every source", "warning"),
        gxe.ExpectColumnMinToBeBetween(
            column="days_known", max_value=MAX_DAYS_WITHOUT_NEWS, severity="warning",
            description=f"a source was found in the last {MAX_DAYS_WITHOUT_NEWS} days",
        ),
    ]  # fmt: skip


def _clips() -> "list[Expectation]":
    return [
        _has_columns("clip_id", "is_named_by_times", "is_cut_in_place", "is_as_long_as_cut"),
        _is_true("is_named_by_times", "a clip's id ends in its times, so that no two clips are one"),
        _is_true("is_cut_in_place", "no cut lies more than 0.2 s outside the times that were given"),
        _is_true("is_as_long_as_cut", "a ready clip is as long as its times say, to 0.25 s", "warning"),
    ]


def _annotations() -> "list[Expectation]":
    import great_expectations.expectations as gxe

    return [
        _has_columns("annotation_id", "arousal", "valence", "is_from_the_future", "days_since_merge"),
        gxe.ExpectColumnValuesToBeBetween(column="arousal", min_value=0, max_value=10),
        gxe.ExpectColumnValuesToBeBetween(column="valence", min_value=-5, max_value=5),
        gxe.ExpectColumnValuesToBeInSet(
            column="is_from_the_future", value_set=[False], severity="warning",
            description="no annotation was submitted a day after now",
        ),
        gxe.ExpectColumnMinToBeBetween(
            column="days_since_merge", max_value=MAX_DAYS_WITHOUT_NEWS, severity="warning",
            description=f"an annotation was merged in the last {MAX_DAYS_WITHOUT_NEWS} days",
        ),
    ]  # fmt: skip


def _labels() -> "list[Expectation]":
    import great_expectations.expectations as gxe

    return [
        _has_columns("clip_id", "n_raters", "n_votes"),
        gxe.ExpectColumnPairValuesToBeEqual(
            column_A="n_raters", column_B="n_votes",
            description="a label's raters are the annotators whose word counts",
        ),
    ]  # fmt: skip


def _sums() -> "list[Expectation]":
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectColumnPairValuesToBeEqual(
            column_A="n_in", column_B="n_out", description="every input is accounted for"
        )
    ]  # fmt: skip


def _release() -> "list[Expectation]":
    import great_expectations.expectations as gxe

    between, in_set = gxe.ExpectColumnValuesToBeBetween, gxe.ExpectColumnValuesToBeInSet
    # The other expectations pass over what is null.
    never_null = ("speaker_group", "licence", "duration_s", "sample_rate_hz", "n_raters", "is_held", "split")
    return [
        _has_columns("clip_id", *never_null, "arousal_mean", "valence_mean", "emotion_soft_sum", "clip_state"),
        gxe.ExpectTableRowCountToBeBetween(min_value=1),
        gxe.ExpectColumnValuesToMatchRegex(column="clip_id", regex="^[A-Za-z0-9_-]+$"),
        between(column="duration_s", min_value=0.1, max_value=30.25),
        in_set(column="sample_rate_hz", value_set=[settings.current().sample_rate_hz]),
        between(column="n_raters", min_value=settings.current().min_raters),
        between(column="arousal_mean", min_value=0, max_value=10),
        between(column="valence_mean", min_value=-5, max_value=5),
        between(column="emotion_soft_sum", min_value=0.999, max_value=1.001),
        in_set(column="is_held", value_set=[False]),
        in_set(column="split", value_set=["train", "validation", "test"]),
        *(gxe.ExpectColumnValuesToNotBeNull(column=column) for column in never_null),
        _no_rows("select_divided_speaker_groups", "no speaker group stands in two splits"),
        in_set(
            column="clip_state", value_set=["ready"],
            description="nothing taken down or rejected meanwhile is released",
        ),
        in_set(column="has_address", value_set=[False], description="no text holds an e-mail address"),
        _is_true("is_transcribed", "every clip has a transcription", "warning"),
        _no_rows("select_same_released_audio", "no two clips are the same audio", "warning"),
        in_set(
            column="is_disputed", value_set=[False], mostly=1 - MAX_SHARE_WITHOUT_AGREEMENT, severity="warning",
            description="raters of at least half of the clips agree on an emotion family",
        ),
    ]  # fmt: skip


def _groups(is_drift_allowed: bool) -> "list[Expectation]":
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectColumnValuesToBeBetween(
            column="share_kept", min_value=share, severity="warning" if is_drift_allowed else severity,
            description=f"every group keeps {100 * share:g} % or more of its share in the last release",
        )
        for severity, share in MIN_SHARE_KEPT.items()
    ]  # fmt: skip


def _agreement(is_drift_allowed: bool) -> "list[Expectation]":
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectColumnValuesToBeBetween(
            column="alpha_lost", max_value=lost, severity="warning" if is_drift_allowed else severity,
            description=f"Krippendorff's alpha of no field is more than {lost:g} below the last release's",
        )
        for severity, lost in MAX_ALPHA_LOST.items()
    ]  # fmt: skip


def _has_columns(*names: str) -> "Expectation":
    import great_expectations.expectations as gxe

    return gxe.ExpectTableColumnsToMatchSet(column_set=list(names), exact_match=False)


def _is_true(column: str, description: str, severity: Severity = "critical") -> "Expectation":
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnValuesToBeInSet(
        column=column, value_set=[True], description=description, severity=severity
    )  # fmt: skip


def _no_rows(statement: str, description: str, severity: Severity = "critical") -> "Expectation":
    """Expect a statement of `sql/` to find nothing."""
    import great_expectations.expectations as gxe

    from include import catalog

    return gxe.UnexpectedRowsExpectation(
        description=description, unexpected_rows_query=catalog.statement(statement), severity=severity
    )
