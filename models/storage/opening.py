"""Where the bytes of media and files lie: on this machine's disk, or in a Cloudinary account."""

from core.ports import Storage
from core.settings import Settings
from core.signatures import Signatures


def open_storage(settings: Settings, signatures: Signatures) -> Storage:
    """Return the storage that the settings name, and make the folders that uploads need."""
    (settings.data_dir / "incoming").mkdir(parents=True, exist_ok=True)
    if settings.storage == "local":
        from models.storage.local import LocalStorage  # noqa: PLC0415 - only the one that is used is loaded

        return LocalStorage(settings.data_dir / "media", signatures)
    from models.storage.cloudinary import Account, CloudinaryStorage  # noqa: PLC0415
    from models.storage.direct import CloudinaryDirect  # noqa: PLC0415

    account = Account(settings.cloudinary_url or "")
    return CloudinaryStorage(account, CloudinaryDirect(account))
