"""Checks: all suites on a catalog of a million clips and five million annotations, made by SQL.

    python -m benchmarks.bench_checks [CLIPS]

Five annotations a clip. Makes a catalog of its own on the embedded server of the run folder, and leaves it there:
a second call with the same number of clips begins at the checks.
"""

import multiprocessing
import resource
import sys
import time

from include import catalog, checks, settings

VERSION = "2026.01.01"
GOAL_S, GOAL_BYTES = 20, 2 * 1024**3
CLIPS_PER_SOURCE, RATERS_PER_CLIP, N_ANNOTATORS = 10, 5, 5_000


def fill(n_clips: int) -> None:
    """Sources, clips, annotations, labels and a frozen release, as if `n_clips` had gone the whole way."""
    with catalog.connect() as connection:
        connection.execute("drop schema if exists catalog cascade")
    catalog.migrate()
    sizes = {"n_clips": n_clips, "clips_per_source": CLIPS_PER_SOURCE, "raters_per_clip": RATERS_PER_CLIP}
    given = {**sizes, "n_annotators": N_ANNOTATORS, "version": VERSION}
    for name, statement in STATEMENTS.items():
        began = time.perf_counter()
        with catalog.connect() as connection:
            connection.execute("set synchronous_commit = off")
            connection.execute("set session_replication_role = replica")  # foreign keys hold by how the rows are made
            connection.execute(statement, given)
        print(f"  {name}: {time.perf_counter() - began:.0f} s", flush=True)
    with catalog.connect() as connection:
        connection.autocommit = True
        connection.execute("vacuum analyze")


STATEMENTS = {
    "sources": """
        insert into catalog.source (source_id, url, title, channel, speaker_group, duration_s, licence, language)
        select
            'youtube:video' || n, 'https://www.youtube.com/watch?v=video' || n, 'A talk about number ' || n,
            'channel' || n / 3, 'channel' || n / 3, 300, 'Creative Commons Attribution licence (reuse allowed)',
            (array['en', 'en', 'en', 'de', 'fr', 'es'])[1 + n %% 6]
        from generate_series(0, (%(n_clips)s - 1) / %(clips_per_source)s) as n""",
    "clips": """
        insert into catalog.clip (clip_id, source_id, start_ms, end_ms, state, audio_sha256, audio_bytes,
            sample_rate_hz, duration_s, measures)
        select
            'youtube-video' || n / %(clips_per_source)s || '-' || n %% %(clips_per_source)s * 10000 || '-'
            || n %% %(clips_per_source)s * 10000 + 9000,
            'youtube:video' || n / %(clips_per_source)s,
            n %% %(clips_per_source)s * 10000, n %% %(clips_per_source)s * 10000 + 9000, 'ready',
            encode(sha256(n::text::bytea), 'hex'), 200000, 24000, 9,
            '{"snr_db": 31.0, "gain_db": 1.5, "dc_offset": 0.0, "rms_dbfs": -13.47, "peak_dbfs": -10.46,
              "n_channels": 2, "bandwidth_hz": 8000, "speech_share": 0.8, "clipped_share": 0.0,
              "loudness_lufs": -23.0, "true_peak_dbtp": -10.4, "longest_pause_s": 0.4, "loudness_range_lu": 3.1,
              "has_distinct_channels": false}'
        from generate_series(0, %(n_clips)s - 1) as n""",
    "annotators": """
        insert into catalog.annotator (annotator_id)
        select 'volunteer' || n from generate_series(0, %(n_annotators)s - 1) as n""",
    "annotations": """
        insert into catalog.annotation (annotation_id, clip_id, annotator_id, submitted_at, time_spent_s,
            transcription, language, audio_description, arousal, valence, age_group, gender, accent, audio_quality,
            background_sounds, emotions, reports, is_retracted, vocabulary_version, file, line)
        select
            lpad(to_hex(n * 8 + rater), 64, '0'), clip_id,
            'volunteer' || (n * 7 + rater * 13) %% %(n_annotators)s,
            '2025-01-01'::timestamptz + n * interval '1 second', 40,
            'And then we walked all the way down to the harbour, because there was no bus any more.', 'en',
            'A woman, calm, a little tired.', (n + rater / 3) %% 11, (n + rater / 2) %% 11 - 5,
            (array['20-39', '40-59', '60-79'])[1 + n %% 3], (array['female', 'male'])[1 + n %% 2],
            (array['us_english', 'indian', 'german'])[1 + n %% 3], 'good', '{none}',
            case when rater < 3 then '{happy,calm}' else '{sad}' end::text[], '{}', false, vocabulary.version,
            'bench.jsonl', n
        from (
            select clip_id, row_number() over () as n from catalog.clip
        ) as clip
        cross join generate_series(0, %(raters_per_clip)s - 1) as rater
        cross join (select 'bench' as version) as vocabulary""",
    "labels": """
        insert into catalog.label
        select
            clip_id, %(raters_per_clip)s, '{"happy_and_energetic": 3, "sad_and_despondent": 2}',
            '{"happy": 3, "calm": 3, "sad": 2}', '{"happy_and_energetic": 0.6, "sad_and_despondent": 0.4}',
            '{happy_and_energetic,sad_and_despondent}', '{happy_and_energetic}', true,
            n %% 11, n %% 11, 1, 5, n %% 11 - 5, n %% 11 - 5, 1, 5,
            (array['20-39', '40-59', '60-79'])[1 + n %% 3], 0.8, (array['female', 'male'])[1 + n %% 2], 1,
            (array['us_english', 'indian', 'german'])[1 + n %% 3], 0.6, 'good', '{none}',
            'And then we walked all the way down to the harbour, because there was no bus any more.', 'en',
            'A woman, calm, a little tired.', null, false, 'bench', '{happy_and_energetic}', 0.6
        from (select clip_id, row_number() over () as n from catalog.clip) as clip""",
    "release": """
        insert into catalog.release (version, vocabulary_version, n_clips)
        values (%(version)s, 'bench', %(n_clips)s)""",
    "frozen clips": """
        with
        made as (
            select clip_id, said.split, clip.audio_sha256, frozen.sample,
                encode(sha256(frozen.sample::text::bytea), 'hex') as sample_sha256
            from catalog.clip
            inner join catalog.source using (source_id)
            inner join catalog.label using (clip_id)
            cross join lateral (
                select
                    (string_to_array('train train train train train train train train validation test', ' '))[
                        1 + abs(hashtext(speaker_group)) %% 10] as split
            ) as said
            cross join lateral (
                select clip.measures || to_jsonb(label) || jsonb_build_object(
                    'source_id', source_id, 'url', url, 'title', title, 'speaker_group', speaker_group,
                    'licence', licence, 'start_s', start_ms / 1000.0, 'end_s', end_ms / 1000.0,
                    'duration_s', clip.duration_s, 'sample_rate_hz', sample_rate_hz,
                    'audio_sha256', audio_sha256, 'split', said.split
                ) as sample
            ) as frozen
        ),

        kept as (
            insert into catalog.sample (clip_id, sample_sha256, sample)
            select clip_id, sample_sha256, sample from made
        )

        insert into catalog.release_clip (version, clip_id, split, shard, position, audio_sha256, sample_sha256)
        select %(version)s, clip_id, split, 0, 0, audio_sha256, sample_sha256 from made""",
}


def main() -> None:
    """Fill the catalog if it is not filled yet, run the checks, print the table."""
    n_clips = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    settings.configure(catalog_url=catalog.embedded_url("bench_checks"))
    catalog.migrate()
    with catalog.connect() as connection:
        known = connection.execute("select count(*) as n from catalog.release_clip").fetchone()
    if known is None or known["n"] != n_clips:
        print(f"filling a catalog with {n_clips:,} clips …", flush=True)
        # Some of it is cached in this process; the checks are measured in one that has only them.
        child = multiprocessing.get_context("spawn").Process(target=fill_alone, args=(settings.current(), n_clips))
        child.start()
        child.join()
    began = time.perf_counter()
    import great_expectations  # noqa: F401

    import_s = time.perf_counter() - began
    began, cpu_s = time.perf_counter(), time.process_time()
    counts = checks.check_release(VERSION)
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    memory_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"checks on {n_clips:,} clips, {RATERS_PER_CLIP * n_clips:,} annotations: {counts}")
    print("| what | figure | goal |\n|---|---|---|")
    print(f"| all checks | {took_s:.1f} s, {cpu_s:.1f} s CPU in this process | ≤ {GOAL_S} s |")
    print(f"| memory of the process | {memory_bytes / 1024**2:,.0f} MB | ≤ {GOAL_BYTES / 1024**2:,.0f} MB |")
    print(f"| importing Great Expectations, once a run | {import_s:.1f} s | |")


def fill_alone(current: settings.Settings, n_clips: int) -> None:
    """fill(), in a process of its own."""
    settings.configure(**current.model_dump())
    fill(n_clips)


if __name__ == "__main__":
    main()
