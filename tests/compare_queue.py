#!/usr/bin/env python3
"""How many jobs a second clipq's queue hands out and takes back beside Python's queues on SQLite, in turn.

    compare_queue.py [--clipq build/clipq] [--claimants 1 4 16] [--jobs 4000] [--rounds 3] [--full]

A cycle is a job claimed by one of the processes and completed by it, each durable before the next call. clipq is
`clipq bench queue`: jobs one by one, and sixteen to a claim as `clipq work --workers 16` takes them. Its completion also
writes an attempt's history and seven timings, which no peer does. The peers:

    litequeue     pop, done
    huey          SqliteHuey's storage: dequeue, put_data of a result; what a lost process had is lost
    persistqueue  SQLiteAckQueue: get, ack; one process only, its claims are not safe between processes
    goqite        the statements of that Go queue (receive: UPDATE ... RETURNING under BEGIN IMMEDIATE; delete) through
                  Python's sqlite3, for there is no package of it

All run in WAL mode with synchronous=NORMAL, or FULL with --full, the peers through Python's sqlite3. Figures are medians
over rounds. Exits 77 (skipped) where one of the packages is missing.
"""
import argparse
import json
import multiprocessing
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

try:
    import huey.storage
    import litequeue
    import persistqueue
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


def tuned(connection, sync):
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {sync}")
    connection.execute("PRAGMA busy_timeout = 60000")


class Litequeue:
    name = "litequeue"

    def __init__(self, path, sync):
        self.queue = litequeue.LiteQueue(path)
        tuned(self.queue.conn, sync)

    def fill(self, jobs):
        with self.queue.transaction(mode="IMMEDIATE"):
            for i in range(jobs):
                self.queue.put(f"/footage/clip{i:08d}.mp4")

    def cycle(self):
        job = self.queue.pop()
        if job is None:
            return False
        self.queue.done(job.message_id)
        return True


class Huey:
    name = "huey"

    def __init__(self, path, sync):
        self.storage = huey.storage.SqliteStorage("queue", filename=path, timeout=60)
        tuned(self.storage.conn, sync)

    def fill(self, jobs):
        for i in range(jobs):
            self.storage.enqueue(f"/footage/clip{i:08d}.mp4".encode())

    def cycle(self):
        job = self.storage.dequeue()
        if job is not None:
            self.storage.put_data(job, b"done")
        return job is not None


class Persistqueue:
    name = "persistqueue"
    one_process = True

    def __init__(self, path, sync):
        self.queue = persistqueue.SQLiteAckQueue(os.path.dirname(path), db_file_name=os.path.basename(path), auto_commit=True,
                                                 multithreading=True)
        for connection in (self.queue._conn, getattr(self.queue, "_getter", None), getattr(self.queue, "_putter", None)):
            if connection is not None:
                tuned(connection, sync)

    def fill(self, jobs):
        for i in range(jobs):
            self.queue.put(f"/footage/clip{i:08d}.mp4")

    def cycle(self):
        try:
            job = self.queue.get(block=False)
        except persistqueue.Empty:
            return False
        self.queue.ack(job)
        return True


class Goqite:
    name = "goqite"

    def __init__(self, path, sync):
        self.db = sqlite3.connect(path, isolation_level=None, timeout=60)
        tuned(self.db, sync)
        self.db.execute("CREATE TABLE IF NOT EXISTS goqite (id TEXT PRIMARY KEY DEFAULT ('m_' || lower(hex(randomblob(16)))), "
                        "queue TEXT NOT NULL, body BLOB NOT NULL, timeout REAL NOT NULL DEFAULT 0, "
                        "received INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL DEFAULT (julianday('now'))) STRICT")
        self.db.execute("CREATE INDEX IF NOT EXISTS goqite_queue_created ON goqite (queue, created)")

    def fill(self, jobs):
        self.db.execute("BEGIN IMMEDIATE")
        self.db.executemany("INSERT INTO goqite (queue, body) VALUES ('q', ?)",
                            ((f"/footage/clip{i:08d}.mp4".encode(),) for i in range(jobs)))
        self.db.execute("COMMIT")

    def cycle(self):
        now = time.time()
        self.db.execute("BEGIN IMMEDIATE")
        row = self.db.execute("UPDATE goqite SET timeout = ?, received = received + 1 WHERE id = (SELECT id FROM goqite WHERE "
                              "queue = 'q' AND ? >= timeout AND received < 3 ORDER BY created LIMIT 1) RETURNING id, body",
                              (now + 60, now)).fetchone()
        self.db.execute("COMMIT")
        if row is None:
            return False
        self.db.execute("DELETE FROM goqite WHERE queue = 'q' AND id = ?", (row[0],))
        return True


def claimant(kind, path, sync, barrier, counts):
    peer, n = kind(path, sync), 0
    barrier.wait()
    while True:
        try:
            if not peer.cycle():
                break
            n += 1
        except sqlite3.OperationalError as e:
            if "locked" not in str(e):
                raise
    counts.put(n)


def peer_rate(kind, claimants, jobs, sync):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "queue.db")
        filler = kind(path, sync)
        filler.fill(jobs)
        del filler
        fork = multiprocessing.get_context("fork")
        barrier, counts = fork.Barrier(claimants + 1), fork.Queue()
        processes = [fork.Process(target=claimant, args=(kind, path, sync, barrier, counts)) for _ in range(claimants)]
        for p in processes:
            p.start()
        barrier.wait()
        start = time.perf_counter()
        done = sum(counts.get() for _ in processes)
        seconds = time.perf_counter() - start
        for p in processes:
            p.join()
        if done != jobs:
            print(f"  ({kind.name} gave out {done} of {jobs} jobs)")
        return jobs / seconds


def clipq_rates(args, claimants, jobs):
    env = dict(os.environ, CLIPQ_DURABLE="1" if args.full else "0")
    out = subprocess.run([args.clipq, "bench", "queue", "--json", "-q", "--claimants", str(claimants), "--jobs", str(jobs),
                          "--sizes", "1"], check=True, capture_output=True, text=True, env=env).stdout
    rows = [json.loads(line) for line in out.splitlines()]
    return {("clipq" if r["group"] == 1 else f"clipq by {r['group']}"): r["cycles_per_s"]
            for r in rows if r["message_type"] == "bench_queue_load"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clipq", default="build/clipq")
    parser.add_argument("--claimants", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--jobs", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="synchronous=FULL")
    args = parser.parse_args()
    sync = "FULL" if args.full else "NORMAL"
    print(f"cycles a second, WAL, synchronous={sync}, {args.jobs} jobs, medians of {args.rounds} rounds")
    for claimants in args.claimants:
        rates = {}
        kinds = [k for k in (Litequeue, Huey, Persistqueue, Goqite) if claimants == 1 or not hasattr(k, "one_process")]
        for _ in range(args.rounds):
            for name, rate in clipq_rates(args, claimants, args.jobs).items():
                rates.setdefault(name, []).append(rate)
            for kind in kinds:
                rates.setdefault(kind.name, []).append(peer_rate(kind, claimants, args.jobs, sync))
        middle = {name: statistics.median(values) for name, values in rates.items()}
        print(f"{claimants} claimants")
        for name, rate in middle.items():
            ours = "" if name.startswith("clipq") else "".join(
                f"   {mine}/{name} {middle[mine] / rate:.2f}" for mine in middle if mine.startswith("clipq"))
            print(f"  {name:14} {rate:9.0f}{ours}", flush=True)


if __name__ == "__main__":
    main()
