/* Matrix products by the matrix instruction of GPUs ("tensor cores"): a work-group of four warps makes a tile of
 * ROWS x COLUMNS of the result; slices of TILE_K of both factors lie in local memory as halves, sums are floats.
 *
 * The instruction is mma.m16n8k16 of NVIDIA's PTX (PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point
 * type"): all 32 lanes of a warp together add a 16x16 times a 16x8 matrix to a 16x8 one. Lane l holds, with
 * group = l/4 and pair = l%4,
 *
 *     a   of rows group and group+8, the halves 2*pair, 2*pair+1 and the same 8 further:   four words
 *     b   of column group, the same halves:                                               two words
 *     c   of rows group and group+8, the columns 2*pair, 2*pair+1:                         four floats
 *
 * Where there is no such instruction (MMA_PTX not defined) the lanes of a work-group exchange their fragments through
 * local memory and each does its part of the sums: slow, and the same to all that stands around it.
 *
 * Both slices are stored [row or column][pairs of halves]; FIRST_PITCH words apart, so that what a warp reads at once,
 * 8 rows of 4 words, lies in 32 banks. Whatever fills them writes zeros where a factor ends; all work-items of a group
 * reach every barrier and every instruction.
 */
#ifndef ROWS
#define ROWS 64
#define COLUMNS 64
#endif

#define TILE_K 32
#define TILE_ITEMS 128

#define FIRST_PITCH (TILE_K / 2 + 4)
#define SECOND_PITCH FIRST_PITCH

typedef uint SLICE;                             /* two halves */

#define WARP_COLUMNS 32
#define WARP_ROWS (ROWS * COLUMNS / TILE_ITEMS * 32 / WARP_COLUMNS)
#define MMA_DOWN (WARP_ROWS / 16)               /* instructions side by side that make a warp's part */
#define MMA_ACROSS (WARP_COLUMNS / 8)

#ifdef MMA_PTX

#if defined(__x86_64__) || defined(__aarch64__)
#error "no PTX here"                            /* which an assembler may meet by crashing */
#endif

typedef int mma_exchange;                       /* lanes see each other's registers */

INLINE float4 mma(uint4 a, uint2 b, float4 c, local mma_exchange *unused)
{
    (void) unused;
    __asm__ volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                     "{%0,%1,%2,%3};"
                     : "+f"(c.s0), "+f"(c.s1), "+f"(c.s2), "+f"(c.s3)
                     : "r"(a.s0), "r"(a.s1), "r"(a.s2), "r"(a.s3), "r"(b.s0), "r"(b.s1));
    return c;
}

#else

typedef struct {
    uint a[TILE_ITEMS][4], b[TILE_ITEMS][2];
} mma_exchange;

/* Row `row` of a (0..15) times column `column` of b (0..7), as the lanes of the warp hold them. */
INLINE float mma_sum(local const mma_exchange *x, int warp, int row, int column, float c)
{
    for (int k = 0; k < 16; k++) {
        int pair = k % 8 / 2;
        local const uint *a = x->a[warp + row % 8 * 4 + pair], *b = x->b[warp + column * 4 + pair];
        c = fma(vload_half(k % 2, (local const half *) (a + row / 8 + k / 8 * 2)),
                vload_half(k % 2, (local const half *) (b + k / 8)), c);
    }
    return c;
}

INLINE float4 mma(uint4 a, uint2 b, float4 c, local mma_exchange *x)
{
    int lane = get_local_id(0), warp = lane / 32 * 32, group = lane % 32 / 4, column = lane % 4 * 2;
    vstore4(a, lane, x->a[0]);
    vstore2(b, lane, x->b[0]);
    barrier(CLK_LOCAL_MEM_FENCE);
    c.s0 = mma_sum(x, warp, group, column, c.s0);
    c.s1 = mma_sum(x, warp, group, column + 1, c.s1);
    c.s2 = mma_sum(x, warp, group + 8, column, c.s2);
    c.s3 = mma_sum(x, warp, group + 8, column + 1, c.s3);
    barrier(CLK_LOCAL_MEM_FENCE);
    return c;
}

#endif

#define TILE_MEMORY                                                              \
    local uint first[ROWS * FIRST_PITCH] __attribute__((aligned(16)));           \
    local uint second[COLUMNS * SECOND_PITCH] __attribute__((aligned(16)));      \
    local mma_exchange exchange;
#define TILE_MULTIPLY(sums) tile_multiply(first, second, sums, &exchange)

/* First row and column of the work-item's sums, within the tile. */
INLINE int tile_row(void)
{
    int warp = get_local_id(0) / 32;
    return warp / (COLUMNS / WARP_COLUMNS) * WARP_ROWS + get_local_id(0) % 32 / 4;
}

INLINE int tile_column(void)
{
    int warp = get_local_id(0) / 32;
    return warp % (COLUMNS / WARP_COLUMNS) * WARP_COLUMNS + get_local_id(0) % 4 * 2;
}

/* Sum n of the work-item lies so far below and right of its first. */
#define SUM_COUNT (MMA_DOWN * MMA_ACROSS * 4)
#define SUM_ROW(n) ((n) / 4 / MMA_ACROSS * 16 + (n) % 4 / 2 * 8)
#define SUM_COLUMN(n) ((n) / 4 % MMA_ACROSS * 8 + (n) % 2)

/* One number out of range must not make everything infinite; NaN stays. */
INLINE float half_range(float v)
{
    v = v > 65504.0f ? 65504.0f : v;
    return v < -65504.0f ? -65504.0f : v;
}

/* Two neighbours of a slice. */
INLINE void put_pair(local SLICE *to, float a, float b)
{
    vstore_half2_rte((float2) (half_range(a), half_range(b)), 0, (local half *) to);
}

INLINE void tile_multiply(local const uint *first, local const uint *second, float *sums, local mma_exchange *exchange)
{
    int pair = get_local_id(0) % 4;
    local const uint *a = first + tile_row() * FIRST_PITCH + pair;
    local const uint *b = second + (tile_column() - 2 * pair + get_local_id(0) % 32 / 4) * FIRST_PITCH + pair;
    for (int k = 0; k < TILE_K / 2; k += 8) {
        uint2 right[MMA_ACROSS];
        #pragma unroll
        for (int j = 0; j < MMA_ACROSS; j++) {
            local const uint *p = b + j * 8 * FIRST_PITCH + k;
            right[j] = (uint2) (p[0], p[4]);
        }
        #pragma unroll
        for (int i = 0; i < MMA_DOWN; i++) {
            local const uint *p = a + i * 16 * FIRST_PITCH + k;
            uint4 left = (uint4) (p[0], p[8 * FIRST_PITCH], p[4], p[8 * FIRST_PITCH + 4]);
            #pragma unroll
            for (int j = 0; j < MMA_ACROSS; j++) {
                float *c = sums + (i * MMA_ACROSS + j) * 4;
                vstore4(mma(left, right[j], vload4(0, c), exchange), 0, c);
            }
        }
    }
}
