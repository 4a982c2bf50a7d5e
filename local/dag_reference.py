"""`docs/dags.md`: the DAGs as their own docstrings and parameters tell them. `make docs` writes it, a test compares."""

import click

from include.settings import ROOT

PATH = ROOT / "docs" / "dags.md"
HEAD = """# The DAGs

Written by `make docs` from the DAG files; the same text stands on each DAG's page in the Airflow UI.
"""


def reference() -> str:
    """The page's text."""
    from airflow.dag_processing.dagbag import DagBag

    dags = DagBag(str(ROOT / "dags")).dags
    order = ["harvest_clips", "transcode_audio", "merge_annotations", "publish_release"]
    return "\n".join([HEAD, *(_chapter(dags[dag_id]) for dag_id in sorted(dags, key=order.index))])


def _chapter(dag) -> str:
    """One DAG: its docstring, its parameters as a table, its tasks in order."""
    rows = ["| parameter | default | what |", "|---|---|---|"]
    for name in dag.params:
        param = dag.params.get_param(name)
        rows.append(f"| `{name}` | `{param.value}` | {param.description} |")
    tasks = " → ".join(f"`{task.task_id}`" for task in dag.topological_sort())
    doc = dag.doc_md.strip().removeprefix("### ").partition("\n")
    return "\n".join([f"## `{dag.dag_id}`: {doc[0]}", doc[2], "", *rows, "", f"Tasks: {tasks}", ""])


@click.command()
@click.option("--stdout", is_flag=True, help="Print the page instead of writing it.")
def main(stdout: bool) -> None:
    """Write docs/dags.md again."""
    if stdout:
        click.echo(f"RESULT{reference()}", nl=False)
    else:
        PATH.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
