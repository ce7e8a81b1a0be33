/* The kernel of a chain; chain_unit() is written by kernels/chain_program.c. Global: threads, or more, as those which
 * come late have nothing to do; `first` numbers the threads of several launches that share a turn. */
kernel void chain_run(global const char *table, int steps, global uint *counters, uint turn, int threads, int first,
                      local char *room, global char *m0, global char *m1, global char *m2, global char *m3,
                      global char *m4, global char *m5, global char *m6, global char *m7)
{
    struct Chain c = {
        .table = table, .counters = counters, .turn = turn, .threads = threads,
        .me = (first + (int) get_global_id(0)) % threads, .room = room,
        .memory = {m0, m1, m2, m3, m4, m5, m6, m7},
    };
    for (int i = 0; i < steps; i++, c.counters += (threads + 1) * CHAIN_LINE) {
        struct ChainStep s = ((global const struct ChainStep *) table)[i];
        chain_unit(&c, &s);
        chain_meet(&c, &s);
    }
}
