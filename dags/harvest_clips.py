"""
### Find recordings, and the stretches of them that may become clips

Reads the metadata of each address through yt-dlp and writes `source` and candidate `clip` rows. Nothing is
downloaded yet: `transcode_audio` does that, as soon as this DAG ends.

**When it runs**: nightly at 00:30 UTC on `include/sources.yaml`, and by hand on addresses that you give.

**Addresses**: one a line. `#t=START,END` (seconds) at its end makes that stretch a clip, of at most 30 s; without it
the recording is cut into clips. Several stretches of one recording are several lines.

**Safe to run again**: a known recording costs nothing, a known dead address is not asked again.

**When it fails**: a bad address never fails the run; it is counted in `summarize`'s log by its class, and the reason
stands in the ledger (`./oe status --refused`, the page "Open Empathic", table `catalog.clip_attempt`):
`gone` (removed, private), `refused` (age gate, geo block, our own filters), `unsupported` (no address, or a site that
is not on the list of allowed extractors), `quota` (the site wants us to slow down: its breaker opens, the rest of the
batch is counted as `waiting` and goes on by itself), `transient` (network, 5xx; tried again later, each wait twice the
last), `broken` (yt-dlp's extractor: tried again once another yt-dlp is installed). The nightly run takes along
whatever is due; **Retry** takes only that, or all of one class. A red run is a fault of ours: the catalog can't be
reached, or `include/sources.yaml` is malformed; the task's log says which.
"""

from airflow.sdk import Param, TriggerRule, dag, task

from include import assets, funnel, harvest, harvest_plan
from include.faults import DUE, RETRYABLE
from include.settings import DAG_DEFAULTS, POOL_HARVEST, current, site_pool


@dag(
    schedule="30 0 * * *",
    catchup=False,
    max_active_runs=1,
    default_args=DAG_DEFAULTS,
    tags=["harvest"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
    params={
        "urls": Param(
            [],
            type=["array", "null"],
            items={"type": "string"},
            title="Addresses",
            description="One a line, perhaps with #t=START,END. None: those of include/sources.yaml.",
        ),
        "manifest": Param(
            None,
            type=["null", "string"],
            title="Manifest",
            description="Path, on the worker, of a CSV of clips as AudioSet and VGGSound have it.",
        ),
        "limit": Param(None, type=["null", "integer"], minimum=1, title="Limit", description="Recordings at most."),
        "batch_size": Param(
            20, type="integer", minimum=1, maximum=500, title="Batch size", description="Recordings a task."
        ),
        "retry": Param(
            None,
            type=["null", "string"],
            enum=[None, DUE, *RETRYABLE],
            title="Retry",
            description="Only what failed: what is due, or all of a class.",
        ),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Read metadata, write nothing."),
    },
)
def harvest_clips():
    """Plan, harvest in parallel batches, sum up, announce."""
    batches = task(harvest_plan.plan_batches)(
        urls="{{ params.urls }}",
        limit="{{ params.limit }}",
        batch_size="{{ params.batch_size }}",
        dry_run="{{ params.dry_run }}",
        retry="{{ params.retry }}",
        manifest_path="{{ params.manifest }}",
    )
    sites = [(site_pool(site), site_pool(site), site) for site in current().harvest_sites]
    counts = [
        task(harvest.harvest_batch, task_id=name, pool=pool).expand_kwargs(
            task(harvest_plan.of_site, task_id=f"plan_{name}")(batches, site)
        )
        for name, pool, site in [*sites, ("harvest_batch", POOL_HARVEST, None)]
    ]
    summary = task(funnel.summarize, trigger_rule=TriggerRule.NONE_FAILED)(*counts)
    task(assets.announce, outlets=[assets.CANDIDATES])(assets.CANDIDATES.name, summary)


harvest_clips()
