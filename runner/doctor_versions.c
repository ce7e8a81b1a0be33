/* The libraries that are loaded; `clipq --version` tells those that it was built with. */
#include <seccomp.h>
#include <uv.h>

#include "runner/doctor.h"
#include "runner/store_health.h"
#include "stages/media/codecs.h"

static void run(struct doctor *d)
{
    char av[256];
    const struct scmp_version *seccomp = seccomp_version();
    codecs_versions(av, sizeof av);
    doctor_tell(d, DOCTOR_OK, "", "clipq %s with %s, SQLite %s, libuv %s, libseccomp %u.%u.%u", CLIPQ_VERSION, av,
                store_library_version(), uv_version_string(), seccomp ? seccomp->major : 0, seccomp ? seccomp->minor : 0,
                seccomp ? seccomp->micro : 0);
}

const struct doctor_check doctor_versions = {.name = "versions", .part = DOCTOR_REST, .run = run};
