"""
### Merge what volunteers said into the catalog, and renew the labels

Takes the files in the store's `inbox/annotations/` (JSONL, CSV, Parquet, Label Studio's JSON, the original Open
Empathic site's export; gzipped or not), checks each row against the contract, adds what is new to
`catalog.annotation`, renews the weights of the annotators who spoke, and computes the labels of the clips that got new
votes.

**When it runs**: whenever `transcode_audio` ends, at a quarter past each hour, and by hand.

**Safe to run again**: the same row any number of times is one row. A file is moved to `inbox/merged/<batch>/` only
after its rows are in the catalog; one without a single good row goes to `inbox/rejected/<batch>/`.

**When it fails**: a bad row never fails the run; it is counted as `rejected` and kept, as it stood and with the
reason, in `catalog.annotation_reject`. Mend it and put it into the inbox in a new file. `./oe annotations check FILE`
says beforehand what would be refused. `waiting` rows speak of clips that are not known yet; they count as soon as
those are; rows that name it by address and times make it a candidate. A file that ends in the midst of a row stays in
the inbox as `unfinished` until it is whole, or has lain still for ten minutes. A red task is a fault of ours: no
catalog, no store; its log says which. Then clear the task.

**Valence scale**: an export of the original site has valence on the form's scale, -5 to +5, or on its database model's,
0 to 10. It is not guessed: without this parameter such rows are rejected.

**Relabel** renews all weights and computes every label again, not only those with new votes. It changes old clips, and
so most shards of the next release. Blocking an annotator, or letting one in again, needs no relabel: the next merge
with any file does it.
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
        "valence_scale": Param(
            None,
            type=["null", "string"],
            enum=[None, "form", "model"],
            title="Valence scale",
            description="Of an export of the original site: form is -5 to +5, model is 0 to 10.",
        ),
        "relabel": Param(False, type="boolean", title="Relabel", description="Compute every label again."),
    },
)
def merge_annotations():
    """Plan, merge file by file, renew all labels if asked to, sum up, announce."""
    files = task(annotations.plan_merges)(
        limit="{{ params.limit }}", dry_run="{{ params.dry_run }}", valence_scale="{{ params.valence_scale }}"
    )
    # One at a time: merges wait for each other anyway, since two files may speak of the same clip.
    counts = task(annotations.merge_inbox_file, max_active_tis_per_dagrun=1).expand_kwargs(files)
    relabel = task.run_if(_is_relabel_wanted)(task(labels.renew_all, trigger_rule=TriggerRule.NONE_FAILED))()
    summary = task(funnel.summarize, trigger_rule=TriggerRule.NONE_FAILED)(counts)
    counts >> relabel >> summary
    task(assets.announce, outlets=[assets.LABELS])(assets.LABELS.name, summary)


merge_annotations()
