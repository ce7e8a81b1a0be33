#!/usr/bin/env bash
# clipq doctor: finds nothing on a sound machine, and each thing that a test can break; and what it says of network file
# systems, submit and work do.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3 python3

lines() {   # lines PYTHON: says whether it holds for the JSON lines `f` of the last command and their result `r`
    python3 -c "import json; f = [json.loads(l) for l in open('out.txt')]; r = f.pop(); print(bool($1))"
}

check_code 0 "$clipq" doctor --json
check "every topic, in order" True \
    "$(lines 'list(dict.fromkeys(x["topic"] for x in f)) == "database disk cache answers devices codecs sandbox limits versions".split()')"
check "no failure, and the sum of all" True \
    "$(lines 'r["failures"] == 0 and r["ok"] + r["warnings"] == len(f) and all(x["level"] != "failure" for x in f)')"
check "what is not fine comes with advice" True "$(lines 'all((x["level"] == "ok") == (x["advice"] == "") for x in f)')"
check "a device computes" True "$(lines 'any(x["topic"] == "devices" and "GFLOP/s" in x["text"] for x in f)')"
check "no database is made" "" "$(ls clipq.db 2> /dev/null || true)"
check_says "there is no clipq.db yet"

make_clip clip.y4m 1
check_code 0 "$clipq" submit -q clip.y4m
check_code 0 "$clipq" doctor --full
check_says "clipq.db is sound: schema"
check_says "journal wal, 1 job"
check_says "0 failures"

# Sandbox and its parts.
check_code 0 env CLIPQ_FAULT=no-seccomp@1 "$clipq" doctor
check_says "missing here: seccomp (Function not implemented)"
check_says "a decoder that a clip takes over could send over UDP"

# Without devices, so that they are not tried each time.
mkdir empty
export OCL_ICD_VENDORS="$work/empty/"

# Databases: damaged, of another program, on a network file system, newer.
cp clipq.db damaged.db
size=$(stat -c %s damaged.db)
for ((at = 8192; at < size; at += 4096)); do
    printf '\377\377\377\377\377\377\377\377\377\377' | dd of=damaged.db bs=1 seek=$at conv=notrunc 2> /dev/null
done
check_code 10 "$clipq" doctor -q --db damaged.db
check_says "damaged"
echo "this is text, and long enough to be looked at as a database of some other program" > foreign.db
check_code 10 "$clipq" doctor -q --db foreign.db
check_says "not a clipq database"
cp clipq.db newer.db
sqlite3 newer.db "PRAGMA user_version = 9999" > /dev/null
check_code 10 "$clipq" doctor -q --db newer.db
check_says "newer"
check_code 10 "$clipq" doctor -q --db "$work/no/folder/x.db"
check_says "no/folder"

export CLIPQ_FAULT=fstype@6969
check_code 10 "$clipq" doctor -q
check_says "network file system (NFS)"
check_says "--db"
check_code 10 "$clipq" submit --db share.db clip.y4m
check_says "network file system (NFS)"
check "nothing is written there" "" "$(ls share.db* 2> /dev/null || true)"
check_code 10 "$clipq" work
check_says "network file system (NFS)"
check_code 0 "$clipq" status
export CLIPQ_FAULT=fstype@65735546
check_code 11 "$clipq" doctor
check_says "file system (FUSE) that may be a network's"
unset CLIPQ_FAULT

# Devices, limits, the cache.
check_code 11 "$clipq" doctor
check_says "pocl-opencl-icd"
check_code 11 env PATH=/nowhere "$clipq" doctor
check_says "install binutils"
unset OCL_ICD_VENDORS
check_code 1 bash -c "ulimit -n 40; exec '$clipq' doctor"
check_says "ulimit -n"
check_code 11 env POCL_CACHE_DIR="$work/clip.y4m/none" "$clipq" doctor
check_says "set POCL_CACHE_DIR"
check_says "cannot be written"
mkdir noexec
if unshare -rm mount -t tmpfs -o noexec none noexec 2> /dev/null; then
    check_code 11 unshare -rm sh -c "mount -t tmpfs -o noexec none noexec && POCL_CACHE_DIR='$work/noexec' exec '$clipq' doctor"
    check_says "loaded as code (mounted noexec?)"
    check_says "cannot be used"
fi
check_code 2 "$clipq" doctor clip.y4m
check_says "takes no names"
finish
