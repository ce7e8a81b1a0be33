/* Memory budgets: the arithmetic, and what is read from a machine that is made of files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/device.h"
#include "runner/budget.h"

enum { MIB = 1 << 20 };
static const size_t none = SIZE_MAX;

static const struct device_info cpu = {.kind = DEVICE_CPU, .global_bytes = (size_t) 8000 * MIB};
static const struct device_info gpu = {.kind = DEVICE_GPU, .global_bytes = (size_t) 80000 * MIB};

static struct budget_facts host(size_t available)
{
    return (struct budget_facts) {
        .is_cpu = true, .device = (size_t) 8000 * MIB, .available = available, .cgroup = none, .data = none,
        .address_space = none,
    };
}

static void test_shares(void **state)
{
    (void) state;
    struct budget_facts f = host((size_t) 1000 * MIB);
    assert_int_equal(budget_of(&f, 0) / MIB, 500);
    f.cgroup = (size_t) 400 * MIB;
    assert_int_equal(budget_of(&f, 0) / MIB, 200);
    f.data = (size_t) 300 * MIB;
    assert_int_equal(budget_of(&f, 0) / MIB, 150);
    f.address_space = (size_t) 200 * MIB;
    assert_int_equal(budget_of(&f, 0) / MIB, 100);
    f.device = (size_t) 100 * MIB;
    assert_int_equal(budget_of(&f, 0) / MIB, 50);
    f.is_cpu = false;
    assert_int_equal(budget_of(&f, 0) / MIB, 85);

    /* The user knows better, but no device is larger than it is. */
    assert_int_equal(budget_of(&f, 7 * MIB), 7 * MIB);
    assert_int_equal(budget_of(&f, (size_t) 900 * MIB), (size_t) 100 * MIB);

    f = host(none);
    f.device = none;
    assert_true(budget_of(&f, 0) > none / 4);
    assert_int_equal(budget_share(90, 3), 30);
    assert_int_equal(budget_share(90, 1), 90);
}

/* ---- a machine of files ---- */

static char root[] = "/tmp/test_budget_XXXXXX";

static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *f = fopen(full, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int make_root(void **state)
{
    (void) state;
    strcpy(root + strlen(root) - 6, "XXXXXX");
    assert_non_null(mkdtemp(root));
    put("/proc/meminfo", "MemTotal: 9000000 kB\nMemFree: 10 kB\nMemAvailable: 4096000 kB\n");
    put("/proc/self/status", "Name:\tx\nVmSize:\t  1024 kB\nVmData:\t   512 kB\n");
    return 0;
}

static int remove_root(void **state)
{
    char command[128];
    (void) state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static struct budget_facts look(const struct device_info *info)
{
    struct budget_facts f;
    budget_look(root, info, &f);
    return f;
}

static void test_without_cgroups(void **state)
{
    (void) state;
    struct budget_facts f = look(&cpu);
    assert_true(f.is_cpu);
    assert_int_equal(f.available / MIB, 4000);
    assert_int_equal(f.device / MIB, 8000);
    assert_int_equal(f.cgroup, none);
    f = look(&gpu);
    assert_false(f.is_cpu);
    assert_int_equal(budget_of(&f, 0) / MIB, 68000);
}

static void test_cgroup_v2(void **state)
{
    (void) state;
    put("/proc/self/cgroup", "0::/slice/job\n");
    put("/sys/fs/cgroup/slice/job/memory.max", "max\n");
    put("/sys/fs/cgroup/slice/job/memory.high", "max\n");
    put("/sys/fs/cgroup/slice/job/memory.current", "1000\n");
    assert_int_equal(look(&cpu).cgroup, none);
    put("/sys/fs/cgroup/slice/job/memory.max", "1048576000\n");          /* 1000 MiB */
    put("/sys/fs/cgroup/slice/job/memory.current", "943718400\n");       /* 900, of which 300 are cached files */
    put("/sys/fs/cgroup/slice/job/memory.stat", "anon 1\nfile 2\ninactive_file 314572800\nactive_file 3\n");
    assert_int_equal(look(&cpu).cgroup / MIB, 400);
    put("/sys/fs/cgroup/slice/job/memory.high", "943718400\n");
    assert_int_equal(look(&cpu).cgroup / MIB, 300);
    put("/sys/fs/cgroup/slice/memory.max", "209715200\n");               /* the parent's 200 */
    put("/sys/fs/cgroup/slice/memory.current", "104857600\n");
    assert_int_equal(look(&cpu).cgroup / MIB, 100);
    put("/sys/fs/cgroup/slice/memory.current", "304857600\n");           /* over its limit already */
    assert_int_equal(look(&cpu).cgroup, 0);
}

static void test_cgroup_v1(void **state)
{
    (void) state;
    put("/proc/self/cgroup", "9:name=systemd:/x\n5:cpu,memory:/docker/abc\n3:memoryless:/y\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "5000000000\n");
    assert_true(look(&cpu).cgroup > (size_t) 1 << 60);
    /* In a container the group's own folder is the mount's root, whatever its path says. */
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "524288000\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "419430400\n");
    put("/sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 104857600\n");
    assert_int_equal(look(&cpu).cgroup / MIB, 200);
    put("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "104857600\n");
    put("/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "52428800\n");
    assert_int_equal(look(&cpu).cgroup / MIB, 50);
}

/* In a process of its own: limits cannot be raised again. */
static void test_resource_limits(void **state)
{
    (void) state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit r = {(rlim_t) 300 * MIB, (rlim_t) 300 * MIB};
        setrlimit(RLIMIT_DATA, &r);
        r.rlim_cur = r.rlim_max = (rlim_t) 5000 * MIB;
        setrlimit(RLIMIT_AS, &r);
        struct budget_facts f = look(&cpu);
        _exit(f.data == (size_t) 300 * MIB - 512 * 1024 && f.address_space == (size_t) 4999 * MIB ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The machine that this runs on: whatever it is, there is something. */
static void test_this_machine(void **state)
{
    (void) state;
    struct budget_facts f;
    budget_look("", &cpu, &f);
    assert_true(f.available > 16 * MIB && f.available < none);
    assert_true(budget_of(&f, 0) <= cpu.global_bytes / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),
        cmocka_unit_test_setup_teardown(test_without_cgroups, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_cgroup_v2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_cgroup_v1, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_resource_limits, make_root, remove_root),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
