import csv
import hashlib
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

root = Path("project")
(root / "sub").mkdir(parents=True)
with open(root / "table.csv", "w", newline="") as f:
    writer = csv.DictWriter(f, fieldnames=["n", "square", "note"])
    writer.writeheader()
    for n in range(1000):
        writer.writerow({"n": n, "square": n * n, "note": 'a "quoted", field'})
with open(root / "table.csv", newline="") as f:
    rows = list(csv.DictReader(f))
print(len(rows), rows[-1])

(root / "sub" / "blob").write_bytes(bytes(range(256)) * 4096)
print(hashlib.md5((root / "sub" / "blob").read_bytes()).hexdigest())
with open(root / "sub" / "blob", "r+b") as f:
    f.seek(-4, os.SEEK_END)
    f.write(b"end!")
    f.truncate(1 << 21)
print((root / "sub" / "blob").stat().st_size)

os.symlink("table.csv", root / "link.csv")
print(os.readlink(root / "link.csv"), (root / "link.csv").is_file())

with zipfile.ZipFile("project.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for path in sorted(root.rglob("*")):
        if path.is_file():
            archive.write(path)
with tempfile.TemporaryDirectory() as folder:
    with zipfile.ZipFile("project.zip") as archive:
        archive.extractall(folder)
        print(archive.namelist())
    print(sorted(p.name for p in Path(folder, "project").iterdir()))
shutil.rmtree(root)
print(sorted(p.name for p in Path(".").glob("proj*")))
