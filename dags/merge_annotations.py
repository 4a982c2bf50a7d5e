"""
### Merge what volunteers said into the catalog, and renew the labels

Takes the JSONL files in the store's `inbox/annotations/`, checks each row against the contract, adds what is new to
`catalog.annotation`, and computes the labels of the clips that got new votes.

**When it runs**: whenever `transcode_audio` ends, at a quarter past each hour, and by hand.

**Safe to run again**: the same row any number of times is one row. A file is moved to `inbox/merged/<batch>/` only
after its rows are in the catalog; one without a single good row goes to `inbox/rejected/<batch>/`.

**When it fails**: a bad row never fails the run; it is counted as `rejected` and kept, as it stood and with the
reason, in `catalog.annotation_reject`. Mend it and put it into the inbox in a new file. `./oe annotations check FILE`
says beforehand what would be refused. `waiting` rows speak of clips that are not known yet; they count as soon as
those are. A red task is a fault of ours: no catalog, no store; its log says which. Then clear the task.

**Relabel** computes every label again, not only those with new votes: after a change of annotators' states or of how
labels are made. It changes old clips, and so most shards of the next release.
"""

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, Param, TriggerRule, dag, task

from include import annotations, assets, funnel, labels
from include.settings import DAG_DEFAULTS


def _is_relabel_wanted(context):
    return context["params"]["relabel"]


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("15 * * * *", timezone="UTC"), assets=[assets.READY_CLIPS]
    ),
    catchup=False,
    max_active_runs=1,
    default_args=DAG_DEFAULTS,
    tags=["annotations"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
    params={
        "limit": Param(
            None, type=["null", "integer"], minimum=1, maximum=1000, title="Limit", description="Files at most."
        ),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Check the rows, change nothing."),
        "relabel": Param(False, type="boolean", title="Relabel", description="Compute every label again."),
    },
)
def merge_annotations():
    """Plan, merge file by file, renew all labels if asked to, sum up, announce."""
    files = task(annotations.plan_merges)(limit="{{ params.limit }}", dry_run="{{ params.dry_run }}")
    # One at a time: merges wait for each other anyway, since two files may speak of the same clip.
    counts = task(annotations.merge_inbox_file, max_active_tis_per_dagrun=1).expand_kwargs(files)
    relabel = task.run_if(_is_relabel_wanted)(task(labels.renew_all, trigger_rule=TriggerRule.NONE_FAILED))()
    summary = task(funnel.summarize, trigger_rule=TriggerRule.NONE_FAILED)(counts)
    counts >> relabel >> summary
    task(assets.announce, outlets=[assets.LABELS])(assets.LABELS.name, summary)


merge_annotations()
