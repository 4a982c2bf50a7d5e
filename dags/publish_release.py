"""
### Publish a version of the data set

Freezes the clips that are ready and labelled, checks them, writes them as WebDataset shards, reads every shard back
with `webdataset`, writes the manifest, and moves `releases/latest.json` last.

**When it runs**: nightly at 02:00 UTC, and by hand.

**Version**: today's date in UTC, with `.1`, `.2` … if today has one already; or the one you give. If no clip or label
has changed since the last release there is no new one, and the run says so.

**Shards**: a clip keeps its shard; new ones fill the last. A shard without a change is the last release's, shared by a
hard link (on S3 a copy on the server) after its hash was compared; one that is damaged is written anew, and the log of
`build_shards` says so. Removals leave shards shorter: "Compact" packs all anew, now and then.

**Safe to run again**: a release without `manifest.json` does not exist for any reader, and the next run of the same
version begins anew. A published version is never written again.

**When it fails**: `releases/latest.json` is as it was, and readers notice nothing.
`check_release` red: the task's log names each expectation that failed, its figures and up to ten clips. Look at them
(`./oe clip show CLIP_ID`), mend the cause, and run again. `verify_built` red: what was written does not read back;
suspect the disk, clear `build_shards` and all after it. Anything else: the catalog or the store can't be reached;
clear the red task.
To go back to an earlier version: `./oe release promote VERSION`.
"""

from airflow.sdk import Param, TriggerRule, dag, task

from include import assets, checks, funnel, release
from include.settings import DAG_DEFAULTS, POOL_TRANSCODE


def _is_dry_run(context):
    return context["params"]["dry_run"]


@dag(
    schedule="0 2 * * *",
    catchup=False,
    max_active_runs=1,
    default_args=DAG_DEFAULTS,
    tags=["release"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
    params={
        "version": Param(
            None,
            type=["null", "string"],
            pattern=f"^{release.VERSION.pattern}$",
            title="Version",
            description="YYYY.MM.DD or YYYY.MM.DD.N; empty: today's next.",
        ),
        "batch_size": Param(
            4, type="integer", minimum=1, maximum=100, title="Batch size", description="Shards a task."
        ),
        "compact": Param(
            False,
            type="boolean",
            title="Compact",
            description="Pack all clips into full shards anew; else each stays where it lies.",
        ),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Freeze and check, publish nothing."),
    },
)
def publish_release():
    """Freeze, check, build in parallel, verify, manifest, promote, announce, sum up."""
    frozen = task(release.freeze)("{{ params.version }}", is_compact="{{ params.compact }}")
    version = frozen["version"]
    is_changed = task.short_circuit(ignore_downstream_trigger_rules=False)(release.has_changes)(frozen)
    # A failed expectation fails again: no retry.
    checked = task(checks.check_release, retries=0)(version)
    planned = task.skip_if(_is_dry_run)(task(release.plan_shards))(version, batch_size="{{ params.batch_size }}")
    built = task(release.build_shards, pool=POOL_TRANSCODE).partial(version=version).expand(planned=planned)
    verified = task(release.verify_built)(version)
    manifest = task(release.write_manifest)(version)
    promoted = task(release.promote)(version)
    announced = task(assets.announce, outlets=[assets.RELEASES])(assets.RELEASES.name, promoted)
    summary = task(funnel.summarize, trigger_rule=TriggerRule.NONE_FAILED)(built)
    is_changed >> checked >> planned >> built >> verified >> manifest >> promoted >> announced >> summary


publish_release()
