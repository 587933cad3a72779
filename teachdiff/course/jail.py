"""What the child does before it loads a submission: it gives up whatever the submission must not have.

    python -I -S jail.py SPEC

The file needs the standard library alone, so that it runs before anything of the submission's world is there. The
kernel enforces every line of it, on four levels:

    limits       CPU time, address space, threads, open files, no core file                 setrlimit
    identity     a user of its own where the grader is root; no capabilities                 setresuid, capset
    files        it sees Python, its packages, the library with holes and itself             mount namespace or Landlock
    calls        no file written, no process started, no socket, no signal to others         seccomp

Where namespaces can be had, the process is also alone: its own process, network, IPC and host-name namespace.

Two processes. The stem runs no line of a submission: it loads numpy and torch, which takes seconds, and then forks a
worker whenever the grader asks for one, which takes milliseconds. The worker gives up everything and serves. In a
process namespace the stem is its first process, and the kernel ends everything in it together with the stem.
"""

import ctypes
import importlib
import json
import os
import platform
import resource
import signal
import socket
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)

# linux/sched.h, sys/mount.h, linux/prctl.h
NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, REMOUNT, BIND, REC, PRIVATE, RELATIME = 1, 2, 4, 32, 4096, 16384, 1 << 18, 1 << 21
DETACH = 2
PDEATHSIG, DUMPABLE, SECCOMP, NO_NEW_PRIVS = 1, 4, 22, 38


def check(result: int, what: str) -> int:
    """The result of a call into the C library, or OSError."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def die_with(parent: int) -> None:
    """The kernel kills this process when its parent ends, however that comes about."""
    check(libc.prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it ended in between; 0 stands for a parent outside the namespace
        os._exit(1)


# files: a root of its own


def own_root(new: str, visible: Iterable[str]) -> None:
    """`/` becomes a tree that holds `visible`, read-only, and nothing else."""
    mount(None, "/", None, REC | PRIVATE)
    mount("none", new, "tmpfs", NOSUID | NODEV, "mode=755,size=4m")
    for path in visible:
        target = new + path
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        if os.path.islink(path):
            os.symlink(os.readlink(path), target)
            continue
        if os.path.isdir(path):
            os.makedirs(target, mode=0o755, exist_ok=True)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        mount(path, target, None, BIND | REC)
        device = 0 if path.startswith("/dev/") else NODEV
        mount(None, target, None, BIND | REMOUNT | RDONLY | NOSUID | device | kept_flags(target))
    os.chdir(new)
    check(libc.pivot_root(b".", b"."), "pivot_root")
    check(libc.umount2(b".", DETACH), "umount2")
    os.chdir("/")
    mount(None, "/", None, BIND | REMOUNT | RDONLY | NOSUID | NODEV)


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    check(libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3]), f"mount {target}")


def kept_flags(path: str) -> int:
    """Flags that a user namespace may not take off a mount: nosuid to nodiratime, and relatime."""
    have = os.statvfs(path).f_flag
    return have & (2 | 4 | 8 | 1024 | 2048) | (RELATIME if have & 4096 else 0)


def own_namespaces(spec: dict) -> None:
    """Returns in a process that is the first of its namespaces; the one around it waits for it and ends with it."""
    kinds = NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS
    uid, gid = os.getuid(), os.getgid()
    check(libc.unshare(kinds if uid == 0 else kinds | NEWUSER), "unshare")
    if uid != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"65534 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"65534 {gid} 1")
    child = os.fork()
    if child:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2, spec["control"]):  # who waits at the other ends shall see only the child's end
            os.dup2(null, fd)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    die_with(0)
    own_root(spec["root"], spec["visible"])


# files: Landlock, where there is no namespace


def landlock(visible: Iterable[str], listed: Iterable[str]) -> None:
    """`visible` can be read, `listed` can be listed, nothing else can be opened (linux/landlock.h)."""
    abi = check(libc.syscall(444, None, ctypes.c_size_t(0), 1), "landlock_create_ruleset")
    execute, read_file, read_dir, write_file = 1, 4, 8, 2
    bits = 13 + (abi >= 2) + (abi >= 3) + (abi >= 5)  # refer, truncate, ioctl came later
    network = 3 if abi >= 4 else 0
    scoped = 3 if abi >= 6 else 0
    attributes = struct.pack("QQQ", (1 << bits) - 1, network, scoped)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    rules = check(libc.syscall(444, attributes, ctypes.c_size_t(size), 0), "landlock_create_ruleset")
    everything = execute | read_file | read_dir
    for path, access in [(p, everything) for p in visible] + [(p, read_dir) for p in listed]:
        fd = os.open(path, os.O_PATH)
        if not os.path.isdir(path):
            access = read_file | (write_file if path == os.devnull else execute)
        check(libc.syscall(445, rules, 1, struct.pack("=Qi", access, fd), 0), f"landlock_add_rule {path}")
        os.close(fd)
    check(libc.syscall(446, rules, 0), "landlock_restrict_self")
    os.close(rules)


# calls

# name: (x86_64, aarch64); None where the machine has no such call
WRITING = {
    "creat": (85, None), "mkdir": (83, None), "mkdirat": (258, 34), "mknod": (133, None), "mknodat": (259, 33),
    "symlink": (88, None), "symlinkat": (266, 36), "link": (86, None), "linkat": (265, 37), "rename": (82, None),
    "renameat": (264, 38), "renameat2": (316, 276), "unlink": (87, None), "unlinkat": (263, 35), "rmdir": (84, None),
    "truncate": (76, 45), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None),
    "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88), "setxattr": (188, 5),
    "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "fremovexattr": (199, 16), "setxattrat": (463, 463), "removexattrat": (466, 466), "memfd_create": (319, 279),
    "memfd_secret": (447, 447), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
}  # fmt: skip
STARTING = {"fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281)}
REACHING = {
    "socket": (41, 198), "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "kcmp": (312, 272), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "tkill": (200, 130), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "mount_setattr": (442, 442), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "setpriority": (141, 140), "ioprio_set": (251, 30), "init_module": (175, 105),
    "finit_module": (313, 273), "kexec_load": (246, 104), "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119), "sched_setparam": (142, 118), "sched_setattr": (314, 274),
    "migrate_pages": (256, 238), "move_pages": (279, 239),
}  # fmt: skip
OPEN, OPENAT, OPENAT2 = (2, None), (257, 56), (437, 437)
CLONE, CLONE3 = (56, 220), (435, 435)
KILL, TGKILL, PRLIMIT = (62, 129), (234, 131), (302, 261)
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

LOAD, EQUAL, ANY_BIT, AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
ALLOW, KILL_PROCESS, ERROR = 0x7FFF0000, 0x80000000, 0x50000
EPERM, EROFS, ENOSYS = 1, 30, 38


def seccomp() -> None:
    """From here on the kernel refuses every call that writes a file, starts a process or reaches another one.

    Raises:
        OSError: this machine is neither x86_64 nor aarch64, or its kernel has no seccomp.
    """
    if platform.machine() not in MACHINES:
        raise OSError(ENOSYS, f"no table of system calls for {platform.machine()}")
    column, arch = MACHINES[platform.machine()]
    me = os.getpid()
    lines: list[tuple[int, int, int, int]] = [
        (LOAD, 0, 0, 4), (EQUAL, 1, 0, arch), (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, 0), (AT_LEAST, 0, 1, 0x40000000), (RETURN, 0, 0, ERROR | ENOSYS),
    ]  # fmt: skip

    def refuse(call: tuple[int | None, int | None], error: int, *test: tuple[int, int, int, int]) -> None:
        """Refuse a call; with `test`, which runs on its arguments and skips one line to allow, only if that says so."""
        number = call[column]
        if number is not None:
            lines.append((EQUAL, 0, len(test) + 1 + (1 if test else 0), number))
            lines.extend(test)
            lines.append((RETURN, 0, 0, ERROR | error))
            if test:
                lines.append((RETURN, 0, 0, ALLOW))

    def argument(i: int) -> tuple[int, int, int, int]:
        return (LOAD, 0, 0, 16 + 8 * i)

    for call in WRITING.values():
        refuse(call, EROFS)
    for call in (*STARTING.values(), *REACHING.values()):
        refuse(call, EPERM)
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | (os.O_TMPFILE & ~os.O_DIRECTORY)
    refuse(OPEN, EROFS, argument(1), (ANY_BIT, 0, 1, writes))
    refuse(OPENAT, EROFS, argument(2), (ANY_BIT, 0, 1, writes))
    refuse(OPENAT2, ENOSYS)
    refuse(CLONE3, ENOSYS)  # the C library then takes clone, whose flags can be looked at
    refuse(CLONE, EPERM, argument(0), (ANY_BIT, 1, 0, 0x10000))  # a thread may be started
    refuse(KILL, EPERM, argument(0), (EQUAL, 1, 0, me))
    refuse(TGKILL, EPERM, argument(0), (EQUAL, 1, 0, me))
    refuse(PRLIMIT, EPERM, argument(0), (EQUAL, 2, 0, 0), (EQUAL, 1, 0, me))
    lines.append((RETURN, 0, 0, ALLOW))

    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(buffer))
    check(libc.prctl(SECCOMP, 2, program, 0, 0), "prctl(PR_SET_SECCOMP)")


# identity and limits


def own_user(number: int) -> None:
    """A user that owns nothing: none that the system knows, unless it has only 65536."""
    os.setgroups([])
    for uid in (0x40000000 + number, 65534):
        try:
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            return
        except OSError:
            if uid == 65534:
                raise


def drop_capabilities() -> None:
    header, none = struct.pack("Ii", 0x20080522, 0), bytes(24)
    check(libc.capset(header, none), "capset")


def limit(limits: dict) -> None:
    """No more than the limits, which cannot be raised again; Linux and macOS."""
    wanted = {
        "RLIMIT_CPU": limits["cpu"],
        "RLIMIT_AS": limits["memory"] if sys.platform == "linux" else None,  # macOS has the name only
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": limits["open_files"],
        "RLIMIT_NPROC": limits["threads"],
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_STACK": 8 << 20,
    }
    for name, most in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None or most is None:
            continue
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def give_up(spec: dict) -> None:
    """Everything that a submission must not have. Raises OSError where the machine does not let us."""
    linux = sys.platform == "linux"
    if spec["how"] == "landlock":
        check(libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
        landlock(spec["visible"], spec["listed"])
    if spec["own_user"]:
        own_user(spec["launched_as"])
    limit(spec["limits"])
    if linux:
        drop_capabilities()
        check(libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
        # a change of user has cleared it: ask again
        check(libc.prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
        check(libc.prctl(DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")
        if spec["how"] != "nothing":
            seccomp()


def stem(spec: dict) -> None:
    """Fork a worker for each pair of pipes that comes, and say how it ended; until the grader closes its end."""
    control = socket.socket(fileno=spec["control"])
    control.send(b"ready")
    while True:
        wanted, pipes, _, _ = socket.recv_fds(control, 16, 2)
        if not wanted:
            return
        me = os.getpid()
        worker = os.fork()
        if worker == 0:
            control.close()
            if sys.platform == "linux":
                die_with(me)
            give_up(spec)
            work(spec, *pipes)
            os._exit(0)
        for fd in pipes:
            os.close(fd)
        control.send(str(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])).encode())


def work(spec: dict, questions: int, answers: int) -> None:
    sys.path.insert(0, spec["library"])
    from teachdiff.course.worker import serve

    serve(spec["submission"], questions, answers)


def main() -> None:
    spec = json.loads(sys.argv[1])
    sys.argv = ["submission"]
    sys.dont_write_bytecode = True
    spec["launched_as"] = os.getpid()
    if sys.platform == "linux":
        die_with(spec["parent"])
    if spec["how"] == "namespaces":
        own_namespaces(spec)
    sys.path += spec["packages"]
    for name in spec["preload"]:
        importlib.import_module(name)
    stem(spec)


if __name__ == "__main__":
    main()
