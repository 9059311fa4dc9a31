"""All pages, by their names."""

from pathlib import Path

from tools.reference import cli, config, metrics, rest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"


def pages() -> dict[str, str]:
    comments = (ROOT / "config" / "tagger.yaml").read_text(encoding="utf-8")
    return {
        "config.md": config.page(comments),
        "cli.md": cli.page(),
        "rest.md": rest.page(),
        "metrics.md": metrics.page(),
    }
