"""Settings of the server that `make lab` starts. After a notebook is saved, git is told to look at it again.

Git strips outputs by a filter (see the Makefile), but it takes a file whose size has changed for a changed one without
asking the filter. `git add` of a file that is the same after filtering changes nothing but the size that git remembers.
"""

import subprocess
import threading
from pathlib import Path


def git(folder, *arguments):
    """Return what git prints; empty where it fails, for example where the folder is no checkout."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def tell_git(path):
    """Let git see that a notebook is what it was, if it is, but for what the filter strips."""
    folder, name = path.parent, path.name
    known = git(folder, "ls-files", "--stage", "--", name).split()  # mode, hash, stage, name
    if len(known) >= 2 and git(folder, "hash-object", "--", name) == known[1]:
        git(folder, "add", "--", name)


def after_save(model, os_path, contents_manager, **kwargs):
    """Work beside the server, since the filter takes part of a second."""
    if model["type"] == "notebook":
        threading.Thread(target=tell_git, args=(Path(os_path),), daemon=True).start()


c = get_config()  # Jupyter gives it
c.FileContentsManager.post_save_hook = after_save
c.AsyncFileContentsManager.post_save_hook = after_save
