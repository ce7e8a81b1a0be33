/* Is there a database, is it ours, sound, and where WAL mode works? */
#include "runner/doctor.h"
#include "runner/file_system.h"
#include "runner/store_health.h"

#define ELSEWHERE "put it on a local disk, with --db"

static void look_at_place(struct doctor *d)
{
    const char *kind;
    enum file_system_reach reach = file_system_look(d->db_path, &kind);
    if (reach == FILE_SYSTEM_NETWORK)
        doctor_tell(d, DOCTOR_FAILURE, ELSEWHERE, "%s is on a network file system (%s), where SQLite's WAL mode does not work",
                    d->db_path, kind);
    else if (reach == FILE_SYSTEM_UNSURE)
        doctor_tell(d, DOCTOR_WARNING, "if other machines mount it, too: " ELSEWHERE,
                    "%s is on a file system (%s) that may be a network's, where SQLite's WAL mode does not work", d->db_path, kind);
}

static void look_at_content(struct doctor *d, const struct store_health *h)
{
    double mib = (double) (h->bytes + h->log_bytes) / (1 << 20);
    if (!h->sound)
        doctor_tell(d, DOCTOR_FAILURE, "save what is left: sqlite3 OLD .recover | sqlite3 NEW; then use --db NEW", "%s is damaged: %s",
                    d->db_path, h->message);
    else if (!h->writable)
        doctor_tell(d, DOCTOR_FAILURE, "make the file and its folder writable, or copy it and use --db", "%s cannot be written",
                    d->db_path);
    else
        doctor_tell(d, DOCTOR_OK, "", "%s is sound: schema %d%s, journal %s, %lld job%s, %.1f MiB", d->db_path, h->version,
                    h->version < h->newest ? " (brought up to date by the next submit or work)" : "", h->journal,
                    (long long) h->jobs, h->jobs == 1 ? "" : "s", mib);
}

static void run(struct doctor *d)
{
    struct store_health h;
    look_at_place(d);
    store_health_look(d->db_path, d->full, &h);
    if (h.err == CQ_NOT_FOUND)
        doctor_tell(d, DOCTOR_OK, "", "there is no %s yet; `clipq submit` makes it", d->db_path);
    else if (h.err)
        doctor_tell(d, DOCTOR_FAILURE, "see what it says", "%s", h.message);
    else
        look_at_content(d, &h);
}

const struct doctor_check doctor_database = {.name = "database", .part = DOCTOR_DATABASE, .run = run};
