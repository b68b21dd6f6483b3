"""The catalogue of models, from config/models.yaml."""

from pathlib import Path

import yaml

from libs.configuration.yaml_text import yaml_value
from services.decider.domain.catalogue import Catalogue, CatalogueError, parse


def load(folder: Path) -> Catalogue:
    """Raises CatalogueError, one line, where the file is missing or not valid."""
    path = folder / "models.yaml"
    try:
        return parse(yaml_value(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CatalogueError(f"cannot read {path} ({error.strerror}): set PERPETUA_CONFIG_DIR to its folder") from error
    except yaml.YAMLError as error:
        raise CatalogueError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
