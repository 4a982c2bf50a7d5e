"""Everything that can be set, typed and in one place; the only module that reads the environment.

Each field is set by the variable `OPEN_EMPATHIC_<FIELD>`. Secrets and addresses of production may come from
Airflow Connections instead: `open_empathic_catalog` names the catalog's server, the password of
`open_empathic_pseudonyms` is the key of the annotators' pseudonyms.
"""

import json
import os
import sys
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent

# `audio`: the clip in a shard. `links`: ids, times and labels, no audio. `nothing`: not in a release at all.
LicenceUse = Literal["audio", "links", "nothing"]

# By the site's name of a licence; the first pattern that fits counts.
# docs/decisions/2026-11-24-audio-goes-out-only-under-a-licence-that-allows-it.md
LICENCE_POLICY: dict[str, LicenceUse] = {
    "*noderiv*": "links",
    "*no deriv*": "links",
    "*by-nd*": "links",
    "*nc-nd*": "links",
    "*creative commons*": "audio",
    "cc[- 0]*": "audio",
    "*public domain*": "audio",
    "*creativecommons.org/*": "audio",
    "*": "links",
}

# What only the demo and tests set: this machine's own web servers, at any pace, read as any page on the web is. The
# recordings there are our own, though no page names their licence.
LOOPBACK_SITES: dict[str, Any] = {
    "licence_policy": {"unknown": "audio", **LICENCE_POLICY},
    "egress_allowed_hosts": ["127.0.0.1"],
    "allowed_extractors": ["youtube.*", "generic", "html5"],
    "site_requests_per_minute": 0,
    "site_downloads_per_minute": 0,
}

POOL_HARVEST = "harvest"
POOL_TRANSCODE = "transcode"

# What every DAG's tasks get. Each step may be run again at any time, so a retry is always right unless a task says no.
DAG_DEFAULTS: dict[str, Any] = {
    "owner": "open-empathic",
    "retries": 2,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(minutes=30),
    "execution_timeout": timedelta(hours=6),
}


class Settings(BaseSettings):
    """One pipeline's settings. Frozen: what a run starts with, it ends with."""

    # An empty variable is none: Compose passes on what nobody set as empty.
    model_config = SettingsConfigDict(env_prefix="OPEN_EMPATHIC_", frozen=True, env_ignore_empty=True)

    run: Path = Field(ROOT / ".run", description="Folder of all run-time state: Airflow home, database, logs.")
    catalog_url: str | None = Field(None, description="postgresql:// address; empty: the embedded server.")
    store_url: str = Field("", description="file:/// or s3:// root of the store; empty: <run>/store.")
    s3_endpoint_url: str | None = Field(None, description="S3 server other than AWS.")
    ffmpeg: str | None = Field(None, description="Name or path of an ffmpeg; empty: imageio-ffmpeg's own.")
    pseudonym_key: SecretStr | None = Field(None, description="Key of the annotators' pseudonyms in releases.")

    sample_rate_hz: Literal[16_000, 24_000, 48_000] = Field(24_000, description="Of every clip.")
    target_lufs: float = Field(-23.0, description="Loudness that one gain a source brings it to, EBU R128.")
    max_true_peak_dbtp: float = Field(-1.0, description="True peak of any clip after the gain; limits the gain.")
    min_loudness_lufs: float = Field(-60.0, description="Before the gain; a quieter clip is rejected.")
    min_speech_share: float = Field(0.1, description="A clip with less speech is rejected.")
    max_clipped_share: float = Field(0.01, description="A clip with more samples at full scale is rejected.")
    min_snr_db: float = Field(0.0, description="A clip with less is rejected.")
    min_bandwidth_hz: float = Field(2_500.0, description="A clip with less is rejected; a telephone has 3,400.")
    clip_target_s: float = Field(10.0, description="Length aimed at when a source is cut without given times.")
    clip_min_s: float = Field(1.0, description="A source shorter than this gives no clip.")
    clip_shortest_s: float = Field(3.0, description="Of the clips cut at pauses.")
    clip_longest_s: float = Field(15.0, description="Of the clips cut at pauses.")
    max_clips_per_source: int = Field(20, description="So that no single speaker fills the data set.")
    max_source_s: float = Field(4 * 3600, description="Longer recordings are refused.")
    max_download_bytes: int = Field(2 * 1024**3, description="Larger recordings are refused.")
    download_timeout_s: float = Field(20.0, description="Without a byte from the server.")
    max_channels: int = Field(16, description="More in one recording are refused.")
    decode_timeout_s: float = Field(1800.0, description="Wall clock of one ffmpeg process.")
    decode_cpu_s: float = Field(900.0, description="CPU time of one ffmpeg process.")
    decode_memory_bytes: int = Field(2 * 1024**3, description="Address space of one ffmpeg process.")
    retry_after_s: float = Field(3600.0, description="First wait after a fault that may pass; doubles each time.")
    retry_cap_s: float = Field(14 * 86400.0, description="Longest wait between two tries.")
    max_download_s: float = Field(3600.0, description="Wall clock of one download.")
    max_metadata_bytes: int = Field(64 * 1024**2, description="Of all pages that one recording's metadata takes.")
    metadata_timeout_s: float = Field(180.0, description="Wall clock of reading one recording's metadata.")
    allowed_extractors: tuple[str, ...] = Field(
        ("youtube.*",), description="JSON list of patterns: which of yt-dlp's extractors strangers' addresses reach."
    )
    egress_allowed_hosts: frozenset[str] = Field(
        frozenset(), description="JSON list of numeric hosts or host:port, not public, to harvest from; for tests."
    )
    site_requests_per_minute: float = Field(60.0, description="To one site, by all workers together; 0: no limit.")
    site_downloads_per_minute: float = Field(12.0, description="From one site, by all workers together; 0: no limit.")
    breaker_s: float = Field(1800.0, description="A site that wants us to slow down is left alone; doubles each time.")

    min_raters: int = Field(3, description="Annotators a clip needs to be released.")
    shard_samples: int = Field(1000, description="Samples in a full shard, at most.")
    shard_bytes: int = Field(512 * 1024**2, description="Bytes of a full shard, about: fewer samples if they are long.")
    licence_policy: dict[str, LicenceUse] = Field(
        LICENCE_POLICY,
        description="What a release passes on by the recording's licence; the first pattern that fits counts.",
    )
    transcode_slots: int = Field(os.cpu_count() or 2, description="Size of the pool of transcoding tasks.")
    harvest_slots: int = Field(2, description="Size of each site's pool of harvesting tasks.")
    harvest_sites: tuple[Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")], ...] = Field(
        ("youtube",),
        description="JSON list of sites (hosts, or `youtube`) with a pool of their own; the rest share one.",
    )

    @field_validator("catalog_url", "s3_endpoint_url", "ffmpeg", "pseudonym_key", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return value or None

    @field_validator("run", mode="after")
    @classmethod
    def _run_is_absolute(cls, value: Path) -> Path:
        return value if value.is_absolute() else ROOT / value

    @property
    def pools(self) -> dict[str, dict[str, Any]]:
        """Airflow's pools, as `airflow pools import` reads them."""
        harvest = {site_pool(site): f"Tasks that ask {site} at one time" for site in self.harvest_sites}
        harvest[POOL_HARVEST] = "Tasks that ask any other site at one time"
        sizes = {name: (self.harvest_slots, why) for name, why in harvest.items()}
        sizes[POOL_TRANSCODE] = (self.transcode_slots, "Work that keeps a core busy")
        return {
            name: {"slots": n_slots, "description": why, "include_deferred": False}
            for name, (n_slots, why) in sizes.items()
        }

    @property
    def store_root(self) -> str:
        """URL of the store, without a slash at its end."""
        return (self.store_url or f"file://{self.run / 'store'}").rstrip("/")

    def licence_use(self, licence: str) -> LicenceUse:
        """What a release may pass on of a recording under this licence, by its site's name; `nothing` if none fits."""
        fitting = (use for pattern, use in self.licence_policy.items() if fnmatchcase(licence.lower(), pattern.lower()))
        return next(fitting, "nothing")

    @cached_property
    def ffmpeg_path(self) -> str:
        """Path of the ffmpeg that decodes everything.

        Raises FileNotFoundError if `ffmpeg` names one that is not there.
        """
        import shutil

        if self.ffmpeg is not None:
            found = shutil.which(self.ffmpeg)
            if found is None:
                raise FileNotFoundError(f"OPEN_EMPATHIC_FFMPEG names {self.ffmpeg!r}, which is not on PATH")
            return found
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())


def site_pool(site: str) -> str:
    """Name of the pool, and of the task, of a site in `harvest_sites`."""
    return f"{POOL_HARVEST}_{site.replace('.', '_')}"


_current: Settings | None = None


def current() -> Settings:
    """The settings of this process, read from the environment at first use."""
    global _current
    if _current is None:
        _current = Settings()
    return _current


def configure(**overrides: Any) -> Settings:
    """Read the environment again and lay `overrides` over it, for a shell option or a test."""
    global _current
    _current = Settings(**overrides)
    return _current


def as_environment(*names: str) -> dict[str, str]:
    """The current values of some settings as variables, for a child process to start with."""
    chosen = current().model_dump(mode="json", include=set(names))
    return {f"OPEN_EMPATHIC_{name.upper()}": json.dumps(value) for name, value in chosen.items()}


def airflow_connection_url(conn_id: str) -> str | None:
    """URL of an Airflow Connection, where Airflow runs this process and knows it; else None."""
    connection = _airflow_connection(conn_id)
    return str(connection.get_uri()).replace("postgres://", "postgresql://", 1) if connection is not None else None


def airflow_connection_secret(conn_id: str) -> str | None:
    """Password of an Airflow Connection, where Airflow runs this process and knows it; else None."""
    connection = _airflow_connection(conn_id)
    return connection.password if connection is not None else None


def _airflow_connection(conn_id: str) -> Any:
    """An Airflow Connection, or None.

    Airflow is asked only if it is already loaded: a shell verb must not wait seconds for its import.
    """
    if "airflow.sdk" not in sys.modules:
        return None
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError

    try:
        return Connection.get(conn_id)
    except (AirflowNotFoundException, AirflowRuntimeError):
        return None


def harvest_connection() -> dict[str, Any]:
    """Secrets of the harvest: extra of the Airflow Connection `open_empathic_harvest`.

    Keys: `cookies` (text of a Netscape cookie file), `proxy` (URL), `extractor_args` (yt-dlp's, {extractor: {name:
    [value]}}). Empty where Airflow does not run this process or knows no such Connection.
    """
    if "airflow.sdk" not in sys.modules:
        return {}
    return dict(_airflow_extra("open_empathic_harvest"))


@cache
def _airflow_extra(conn_id: str) -> dict[str, Any]:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError

    try:
        return dict(Connection.get(conn_id).extra_dejson)
    except (AirflowNotFoundException, AirflowRuntimeError):
        return {}


def process_environment(**overrides: str) -> dict[str, str]:
    """This process's environment with `overrides`, for a child process."""
    return {**os.environ, **overrides}
