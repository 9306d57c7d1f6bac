"""Where a workspace lies: on a network drive, or in a folder that a synchroniser copies, and what that means for it.

SQLite's write-ahead log needs memory that all its readers share, which two machines do not have, and a network
drive's locks do not keep a second machine's engine out: such a workspace is refused. A synchroniser may replace the
database while nobody is at work, or leave a second one when two machines changed it. Knows files only. Example:
    synchroniser_of(Path("~/Dropbox/maths").expanduser()) -> "Dropbox"
Sources: sqlite.org/wal.html; the magic numbers of Linux's statfs(2); each synchroniser's names for conflicting
copies.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path

from crescent_lite.errors import WorkspaceError

NETWORK_DRIVES = {
    0x6969: "NFS",
    0xFF534D42: "CIFS",
    0xFE534D42: "SMB",
    0x517B: "SMB",
    0x5346414F: "AFS",
    0x6B414653: "AFS",
    0x73757245: "Coda",
    0x564C: "NCP",
    0x00C36400: "Ceph",
    0x0BD00BD0: "Lustre",
    0x47504653: "GPFS",
    0x19830326: "BeeGFS",
    0x7461636F: "OCFS2",
    0x01161970: "GFS2",
}
"""File systems that several machines share, by the type that statfs(2) reports."""
STATFS_BYTES = 512
"""More than the size of `struct statfs`, whose first word is the type."""
SYNCHRONISERS = (
    (".dropbox", "Dropbox"),
    (".dropbox.cache", "Dropbox"),
    (".stfolder", "Syncthing"),
    (".sync_*.db", "Nextcloud"),
    ("._sync_*.db", "ownCloud"),
    (".owncloudsync.log", "ownCloud"),
    (".nextcloudsync.log", "Nextcloud"),
    (".tmp.drivedownload", "Google Drive"),
    (".tmp.driveupload", "Google Drive"),
    (".sync/ID", "Resilio Sync"),
)
"""Files that mark a synchronised folder, in it or in a folder above it."""
NAMED_FOLDERS = (
    (re.compile(r"OneDrive( - .+)?"), "OneDrive"),
    (re.compile(r"com~apple~CloudDocs|Mobile Documents"), "iCloud"),
    (re.compile(r"Dropbox( \(.+\))?"), "Dropbox"),
    (re.compile(r"Google Drive|GoogleDrive(-.+)?"), "Google Drive"),
)
"""Names of synchronised folders."""
CONFLICTING = re.compile(
    r" \(.*(?:[Cc]onflict|[Cc]onflit|[Kk]onflikt).*\)|\.sync-conflict-[\w-]+|_conflict-[\w-]+| \d"
    r"|-[A-Z][A-Z0-9-]{3,}(?:-\d+)?"
)
"""What Dropbox and Nextcloud, Syncthing, ownCloud, iCloud, and OneDrive put before the ending of a conflicting copy:
'crescent (Ann's conflicted copy 2026-11-30).db', 'crescent.sync-conflict-20261130-101500-ABCDEFG.db',
'crescent_conflict-20261130-101500.db', 'crescent 2.db', 'crescent-LAPTOP.db'."""
COPIED = (
    "{name} copies this folder, which can replace its database; "
    "move the workspace elsewhere, or pause {name} while a run is at work"
)


def refuse_network_drive(folder: Path) -> None:
    """Raise WorkspaceError if the folder is on a file system that several machines share."""
    if name := network_drive(folder):
        raise WorkspaceError(
            f"{folder}: is on a network drive ({name}), where SQLite's log does not work; "
            "move the workspace to a local disk"
        )


def network_drive(folder: Path) -> str | None:
    """The kind of network drive that a folder is on; None for a local disk, and where that cannot be found out."""
    if not sys.platform.startswith("linux"):
        return None
    found = ctypes.create_string_buffer(STATFS_BYTES)
    try:
        if ctypes.CDLL(None).statfs(os.fsencode(folder), found) != 0:
            return None
    except (OSError, AttributeError, ValueError):
        return None
    kind = int.from_bytes(found.raw[: ctypes.sizeof(ctypes.c_long)], sys.byteorder)
    return NETWORK_DRIVES.get(kind & 0xFFFFFFFF)


def refuse_second_database(database: Path) -> None:
    """Raise WorkspaceError if a synchroniser left a second copy of the database beside it."""
    for path in sorted(database.parent.glob(f"{database.stem}*{database.suffix}*")):
        name, dot, ending = path.name.removeprefix(database.stem).rpartition(database.suffix)
        if dot and ending in ("", "-wal") and CONFLICTING.fullmatch(name):
            raise WorkspaceError(
                f"{path}: a synchroniser left a second copy of the database, which may hold other runs; "
                f"merge it (`crescent db merge`) or not, and move it away"
            )


def synchroniser_of(folder: Path) -> str | None:
    """The name of the synchroniser that copies a folder; None if none seems to."""
    place = folder.resolve()
    for each in (place, *place.parents):
        for pattern, name in NAMED_FOLDERS:
            if pattern.fullmatch(each.name):
                return name
        for mark, name in SYNCHRONISERS:
            if any(True for _ in each.glob(mark)) if "*" in mark else (each / mark).exists():
                return name
    return None
