/* What no driver, compiler or linker asks of the kernel, and what a model that took an engine over would: the network,
 * other processes, and doors that are rarely used and often broken. All else is allowed, for drivers differ.
 *
 * A call that is listed fails with EPERM. Programs that the engine starts (PoCL's linker) are kept from it, too.
 */
#include "runner/sandbox_calls.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/socket.h>

static const int denied[] = {
    /* a ring makes sockets, and no filter sees what goes through it */
    SCMP_SYS(io_uring_setup),
    /* other processes */
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd),
    /* name spaces and mounts */
    SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(move_mount), SCMP_SYS(open_tree),
    SCMP_SYS(fsopen), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
    SCMP_SYS(open_by_handle_at),
    /* the kernel's own programs, modules, keys and counters */
    SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(init_module), SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(add_key), SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    /* the machine */
    SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex), SCMP_SYS(sethostname), SCMP_SYS(setdomainname),
};

static int deny(scmp_filter_ctx filter, int call, unsigned n, struct scmp_arg_cmp when)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, n, when);
}

/* Only those families stay that end at this machine and that drivers use. */
static int deny_sockets(scmp_filter_ctx filter)
{
    int err = 0;
    for (unsigned family = 0; family <= AF_NETLINK && !err; family++)
        if (family != AF_UNIX && family != AF_NETLINK)
            err = deny(filter, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, family));
    return err ? err : deny(filter, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
}

int sandbox_deny_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return ENOMEM;
    int err = deny_sockets(filter);
    for (size_t i = 0; i < sizeof denied / sizeof *denied && !err; i++)
        err = deny(filter, denied[i], 0, SCMP_A0(SCMP_CMP_EQ, 0));
    if (!err)
        err = sandbox_load(filter);
    seccomp_release(filter);
    return -err;
}
