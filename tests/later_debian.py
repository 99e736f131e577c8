"""Python and PostgreSQL of a later Debian, beside this one's own: `python -m tests.later_debian`, on Debian as root.

They lie in `.matrix/debian-NAME/`, where tests.matrix finds the interpreter; for the server see POSTGRES_PROGRAMS.
Nothing is installed: packages are unpacked, and patchelf has their programs run with the C library that came along.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.processes import PROJECT

FOLDER = PROJECT / ".matrix"
RELEASE = "forky"
PACKAGES = ("python3-venv", "postgresql-18")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PROGRAMS = ("usr/bin/python3.*", "usr/lib/postgresql/*/bin/*")
_ELF = b"\x7fELF"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.later_debian", description="Programs of a later Debian.")
    parser.add_argument("--release", default=RELEASE, help=f"its name; {RELEASE} unless given")
    parser.add_argument("packages", nargs="*", default=PACKAGES, help=f"{' and '.join(PACKAGES)} unless given")
    options = parser.parse_args()
    folder = FOLDER / f"debian-{options.release}"
    unpack(options.release, options.packages, folder)
    for program in programs(folder):
        use_own_libraries(program, folder)
    use_own_pip(folder)
    print(folder)


def unpack(release: str, packages: Sequence[str], folder: Path) -> None:
    """The packages and what they depend on, as files below this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state:
        apt = [*_apt_of(release, Path(state)), "-qq"]
        subprocess.run([*apt, "update"], check=True)
        wanted = ["install", "--yes", "--no-install-recommends", "--download-only", *packages]
        subprocess.run([*apt, *wanted], check=True, stdout=subprocess.DEVNULL)
        for package in sorted(Path(state).glob("archives/*.deb")):
            subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)


def programs(folder: Path) -> list[Path]:
    """What is to be run of it: no link to another and no script."""
    found = (path for pattern in PROGRAMS for path in sorted(folder.glob(pattern)))
    return [path for path in found if not path.is_symlink() and path.read_bytes().startswith(_ELF)]


def use_own_libraries(program: Path, folder: Path) -> None:
    """Not this machine's, which are older than what the program was linked with."""
    (loader,) = folder.glob("usr/lib/*/ld-linux-*.so.*")
    # An rpath, not a runpath: it holds for extension modules too, and for what those need.
    options = ["--set-interpreter", str(loader), "--force-rpath", "--set-rpath", str(loader.parent)]
    subprocess.run(["patchelf", *options, str(program)], check=True)


def use_own_pip(folder: Path) -> None:
    """New environments get the pip that came along; this machine's is too old for the Python."""
    for values in folder.glob("usr/lib/python3.*/_sysconfigdata_*.py"):
        # Quoted, so that a second time changes nothing.
        values.write_text(values.read_text().replace("'/usr/share/python-wheels", f"'{folder}/usr/share/python-wheels"))


def _apt_of(release: str, state: Path) -> list[str]:
    """apt-get as on a machine of this release that has nothing yet."""
    (state / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_archive()} {release} main\n")
    (state / "status").touch()
    settings = {
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Acquire::Languages": "none",
        # It drops to a user who may not write here.
        "APT::Sandbox::User": "root",
    }
    return ["apt-get", *(text for name, value in settings.items() for text in ("-o", f"{name}={value}"))]


def _archive() -> str:
    """Where this machine's own packages come from."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", f"Codename: {codename}", "Created-By: Packages"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return found[0] if found else sys.exit("apt knows no packages of this Debian: run apt-get update first.")


if __name__ == "__main__":
    main()
