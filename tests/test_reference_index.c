/* The C reference of what places and picks by index, against small cases worked out by hand: every index that comes
 * as data is checked, whatever the model file says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/reference_run.h"

static const float one_to_six[] = {1, 2, 3, 4, 5, 6};

static void gather_nd_picks_blocks_per_batch(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_GATHER_ND}};
    INPUT(&r, DT_F32, one_to_six, DIMS(2, 3));
    INPUT(&r, DT_I64, LONGS(-1, 0), DIMS(2, 1));
    OUTPUT(&r, DT_F32, DIMS(2, 3));
    expect_floats(&r, FLOATS(4, 5, 6, 1, 2, 3));
    r.op.u.axis.axis = 1;                       /* one index per row, into that row */
    r.inst.out[0] = desc(DT_F32, DIMS(2));
    expect_floats(&r, FLOATS(3, 4));
}

static void gather_nd_rejects_what_is_outside(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_GATHER_ND}};
    INPUT(&r, DT_F32, one_to_six, DIMS(2, 3));
    INPUT(&r, DT_I64, LONGS(0, 3), DIMS(1, 2));
    OUTPUT(&r, DT_F32, DIMS(1));
    assert_int_equal(execute(&r), CQ_INVALID);
    r.in[1] = LONGS(-3, 0);
    assert_int_equal(execute(&r), CQ_INVALID);
    r.in[1] = LONGS(INT64_MIN, 0);
    assert_int_equal(execute(&r), CQ_INVALID);
}

static void scatter_elements_replaces_or_combines(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_SCATTER_ELEMENTS, .u.scatter = {.axis = 1}}};
    INPUT(&r, DT_F32, one_to_six, DIMS(2, 3));
    INPUT(&r, DT_I64, LONGS(0, -3), DIMS(1, 2));
    INPUT(&r, DT_F32, FLOATS(10, 20), DIMS(1, 2));
    OUTPUT(&r, DT_F32, DIMS(2, 3));
    expect_floats(&r, FLOATS(20, 2, 3, 4, 5, 6));
    r.op.u.scatter.combine = true;
    expect_floats(&r, FLOATS(31, 2, 3, 4, 5, 6));
    r.op.u.scatter.fn = BIN_MUL;
    expect_floats(&r, FLOATS(200, 2, 3, 4, 5, 6));
    r.op.u.scatter.fn = BIN_MIN;
    expect_floats(&r, FLOATS(1, 2, 3, 4, 5, 6));
    r.in[1] = LONGS(0, 3);
    assert_int_equal(execute(&r), CQ_INVALID);
}

static void scatter_nd_writes_blocks(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_SCATTER_ND}};
    const int64_t big = INT64_C(1) << 60;       /* no double holds big + 1 */
    INPUT(&r, DT_I64, LONGS(big, 2, 3, 4), DIMS(2, 2));
    INPUT(&r, DT_I32, ((const int32_t[]){-2}), DIMS(1, 1));
    INPUT(&r, DT_I64, LONGS(1, 7), DIMS(1, 2));
    OUTPUT(&r, DT_I64, DIMS(2, 2));
    expect_bytes(&r, 0, LONGS(1, 7, 3, 4));
    r.op.u.scatter.combine = true;
    expect_bytes(&r, 0, LONGS(big + 1, 9, 3, 4));
    r.op.u.scatter.fn = BIN_MAX;
    expect_bytes(&r, 0, LONGS(big, 7, 3, 4));
    r.in[1] = (const int32_t[]){2};
    assert_int_equal(execute(&r), CQ_INVALID);
}

static void running_sums(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_CUM_SUM, .u.scan = {.axis = 1}}};
    INPUT(&r, DT_F32, one_to_six, DIMS(2, 3));
    OUTPUT(&r, DT_F32, DIMS(2, 3));
    expect_floats(&r, FLOATS(1, 3, 6, 4, 9, 15));
    r.op.u.scan.exclusive = true;
    expect_floats(&r, FLOATS(0, 1, 3, 0, 4, 9));
    r.op.u.scan.reverse = true;
    expect_floats(&r, FLOATS(5, 3, 0, 11, 6, 0));
    r.op.u.scan.exclusive = false;
    r.op.u.scan.axis = 0;
    expect_floats(&r, FLOATS(5, 7, 9, 4, 5, 6));
}

static void determinants(void **state)
{
    (void) state;
    struct run r = {.op = {.kind = OP_DET}};
    INPUT(&r, DT_F32, FLOATS(0, 2, 3, 4, 1, 2, 2, 4), DIMS(2, 2, 2));
    OUTPUT(&r, DT_F32, DIMS(2));
    expect_floats(&r, FLOATS(-6, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather_nd_picks_blocks_per_batch),
        cmocka_unit_test(gather_nd_rejects_what_is_outside),
        cmocka_unit_test(scatter_elements_replaces_or_combines),
        cmocka_unit_test(scatter_nd_writes_blocks),
        cmocka_unit_test(running_sums),
        cmocka_unit_test(determinants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
