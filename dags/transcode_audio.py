"""
### Turn candidates into clips: FLAC, mono, 24 kHz, 16 bit

Downloads each source once, decodes it once, finds where somebody speaks, cuts its clips at pauses, measures them,
brings all of a source to -23 LUFS by one gain, and stores them by the hash of their bytes; then a clip is `ready`.
Given times are moved by at most 0.2 s; a source without is cut into utterances of 3 to 15 s. A recording that is in the
catalog already, under another address, is `rejected` as `duplicate_of` the first.

**When it runs**: whenever `harvest_clips` ends, and by hand. It takes whatever is due: new candidates, and those whose
next try has come.

**Safe to run again**: yes, and two runs beside each other never take the same source. A task that is killed loses
nothing: what it had not finished is due again.

**When it fails**: a bad recording never fails the run; `summarize` counts clips by what became of them.
`rejected`: the recording can't give this clip; the reason stands in `catalog.clip.reason` (`./oe clip show CLIP_ID`).
`failed`: the download failed in a way that may pass; tried again after `retry_at`. `gone`: no longer there.
`waiting_sources`: their site wants us to slow down; the next run takes them. **Retry** takes only what failed: what is
due, or all of one class, rejected clips included (`broken`, after an upgrade).
A red task is a fault of ours: no catalog, a full disk, no ffmpeg; its log says which. Then clear the task.
"""

from airflow.sdk import Param, TriggerRule, dag, task

from include import assets, funnel, transcode
from include.faults import DUE, RETRYABLE
from include.settings import DAG_DEFAULTS, POOL_TRANSCODE


@dag(
    schedule=[assets.CANDIDATES],
    catchup=False,
    max_active_runs=1,
    default_args=DAG_DEFAULTS,
    tags=["audio"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
    params={
        "limit": Param(None, type=["null", "integer"], minimum=1, title="Limit", description="Sources at most."),
        "batch_minutes": Param(
            300,
            type="integer",
            minimum=1,
            maximum=6000,
            title="Batch size",
            description="Minutes of audio a task, at most.",
        ),
        "retry": Param(
            None,
            type=["null", "string"],
            enum=[None, DUE, *RETRYABLE],
            title="Retry",
            description="Only what failed: what is due, or all of a class.",
        ),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Say what is due, do nothing."),
    },
)
def transcode_audio():
    """Plan, transcode in parallel batches, sum up, announce."""
    batches = task(transcode.plan_batches)(
        limit="{{ params.limit }}",
        batch_minutes="{{ params.batch_minutes }}",
        dry_run="{{ params.dry_run }}",
        retry="{{ params.retry }}",
    )
    counts = task(transcode.transcode_batch, pool=POOL_TRANSCODE).expand(source_ids=batches)
    summary = task(funnel.summarize, trigger_rule=TriggerRule.NONE_FAILED)(counts)
    task(assets.announce, outlets=[assets.READY_CLIPS])(assets.READY_CLIPS.name, summary)


transcode_audio()
