"""
### Publish a version of the data set

Freezes the clips that are ready and labelled, checks them while it writes them as WebDataset shards, reads every shard
back with `webdataset` while it writes tables and data card, then the manifest, and moves `releases/latest.json` last.

**When it runs**: nightly at 02:00 UTC, and by hand.

**Version**: today's date in UTC, with `.1`, `.2` … if today has one already; or the one you give. If no clip or label
has changed since the last release there is no new one, and the run says so.

**Shards**: a clip keeps its shard; new ones fill the last. A shard without a change is the last release's, shared by a
hard link (on S3 a copy on the server) after its checksum was compared; one that is damaged is written anew, and the log
of `build_shards` says so. Removals leave shards shorter: "Compact" packs all anew, now and then.

**Approval**: with "Approve" ticked the run stops after the checks, as a required action: how many clips are new,
changed and removed, and what the checks found. It waits for up to 20 hours and holds no worker; later runs wait too.
Readers see nothing of it. "Reject", or no answer, ends the run without a release; the next run sweeps what it left.

**Safe to run again**: a release without `manifest.json` does not exist for any reader, and the next run of the same
version begins anew. A published version is never written again.

**When it fails**: `releases/latest.json` is as it was, and readers notice nothing.
`check_release` red: the task's log names each expectation that failed, its figures and up to ten ids; the whole report
is `checks/index.html` in the release's folder. Shards that were written meanwhile are written anew or swept by the next
release. Look at the clips (`./oe clip show CLIP_ID`), mend the cause, run again.
If what moved far from the last release is meant to, a large channel being gone, say: run again with "Allow drift".
`verify_built` red: what was written does not read back; suspect the disk, clear `build_shards` and all after it.
Anything else: the catalog or the store can't be reached; clear the red task.
To go back to an earlier version: `./oe release promote VERSION`.
"""

from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, TriggerRule, cross_downstream, dag, task

from include import approval, assets, checks, funnel, release
from include.settings import DAG_DEFAULTS, POOL_TRANSCODE


def _is_dry_run(context):
    return context["params"]["dry_run"]


class AskForApproval(ApprovalOperator):
    """Asks only in a run that is to be approved: skipping it instead would skip all that follows."""

    def execute(self, context):
        """Wait for a person's word, or go on."""
        return super().execute(context) if context["params"]["approve"] else None


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
            20, type="integer", minimum=1, maximum=100, title="Batch size", description="Shards a task."
        ),
        "compact": Param(
            False,
            type="boolean",
            title="Compact",
            description="Pack all clips into full shards anew; else each stays where it lies.",
        ),
        "approve": Param(
            False, type="boolean", title="Approve", description="Wait after the checks until a person approves."
        ),
        "allow_drift": Param(
            False,
            type="boolean",
            title="Allow drift",
            description="Publish although agreement or a group's share moved far from the last release's.",
        ),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Freeze and check, publish nothing."),
    },
)
def publish_release():
    """Freeze, check and ask while shards are built, verify and write tables, manifest, promote, announce, sum up."""
    frozen = task(release.freeze)("{{ params.version }}", is_compact="{{ params.compact }}")
    version = frozen["version"]
    is_changed = task.short_circuit(ignore_downstream_trigger_rules=False)(release.has_changes)(frozen)
    # A failed expectation fails again: no retry.
    checked = task(checks.check_release, retries=0)(version, is_drift_allowed="{{ params.allow_drift }}")
    question = task(approval.question)(version)
    asked = AskForApproval(
        task_id="ask_for_approval",
        subject="Publish this release?",
        body="{{ ti.xcom_pull(task_ids='question') }}",
        defaults="Reject",
        response_timeout=timedelta(hours=20),
    )
    planned = task.skip_if(_is_dry_run)(task(release.plan_shards))(version, batch_size="{{ params.batch_size }}")
    built = task(release.build_shards, pool=POOL_TRANSCODE).partial(version=version).expand(planned=planned)
    verified = task(release.verify_built)(version)
    tabled = task(release.write_tables_and_card)(version)
    manifest = task(release.write_manifest)(version)
    promoted = task(release.promote)(version)
    announced = task(assets.announce, outlets=[assets.RELEASES])(assets.RELEASES.name, promoted)
    summary = task(funnel.summarize, trigger_rule=TriggerRule.NONE_FAILED)(built)
    is_changed >> checked >> question >> asked
    is_changed >> planned >> built
    cross_downstream([asked, built], [verified, tabled])
    [verified, tabled] >> manifest >> promoted >> announced >> summary


publish_release()
