"""What several tests of priors need."""

import pytest
from PIL import Image


@pytest.fixture
def at(monkeypatch, tmp_path):
    """Point the client at an address, with an empty cache of its own."""

    def point(address):
        import huggingface_hub.file_download
        import huggingface_hub.hf_api
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        # Older versions keep a copy of the name.
        monkeypatch.setattr("huggingface_hub.file_download.HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", address)

    return point


@pytest.fixture
def folder(tmp_path):
    """Two images, one red and one blue."""
    images = tmp_path / "images"
    images.mkdir()
    for i, colour in enumerate([(255, 0, 0), (0, 0, 255)]):
        Image.new("RGB", (12, 10), colour).save(images / f"{i}.png")
    return images
