/* Which walls stand here, and what can be done inside them all the same. */
#include "runner/doctor.h"
#include "runner/sandbox_try.h"

#define WITHOUT "run only clips that you trust, or allow clipq Landlock and seccomp (containers often forbid them)"

static void tell_walls(struct doctor *d, const struct sandbox_report *r)
{
    int n = 0;
    for (int i = 0; i < SANDBOX_ATTEMPTS && sandbox_attempts[i].name; i++)
        n += sandbox_held(r, i);
    if (r->walls == SANDBOX_ALL)
        doctor_tell(d, DOCTOR_OK, "", "no_new_privs, limits, Landlock %d and seccomp stand; %d attempts from inside were stopped",
                    sandbox_landlock_version(), n);
    else
        doctor_tell(d, DOCTOR_WARNING, WITHOUT, "missing here: %s; %d attempts from inside were stopped by the others", r->missing, n);
}

static void run(struct doctor *d)
{
    struct sandbox_report r;
    enum cq_err err = sandbox_try(&r);
    if (err) {
        doctor_tell(d, DOCTOR_WARNING, WITHOUT, "the walls cannot be tried: %s", cq_err_text(err));
        return;
    }
    tell_walls(d, &r);
    for (int i = 0; i < SANDBOX_ATTEMPTS && sandbox_attempts[i].name; i++)
        if (!sandbox_held(&r, i))
            doctor_tell(d, DOCTOR_WARNING, WITHOUT, "a decoder that a clip takes over could %s", sandbox_attempts[i].name);
}

const struct doctor_check doctor_sandbox = {.name = "sandbox", .part = DOCTOR_REST, .run = run};
