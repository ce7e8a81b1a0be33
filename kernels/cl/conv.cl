/* Geometry and the end of every convolution; as kernels/conv.h. */
typedef struct {
    int n, c, h, w;
    int m, oh, ow;
    int kh, kw, sh, sw, dh, dw, pt, pl;
    int act, act_first;
    float act_a, act_b;
    int per_item, pairs_first;
} conv_geom;

/* AVX2 has 16 registers: 6x2 sums, 2 weights, 1 input. AVX-512 has 32. */
#if V == 16
#define TILE_PX 12
#elif V == 8
#define TILE_PX 6
#else
#define TILE_PX 4
#endif

/* Statements for every i < 2*TILE_PX, unrolled by the preprocessor: compilers unroll loops after they have
 * decided that an array which the loop indexes lives in memory. */
#define TILE_DO(n, ...) { enum { i = n }; __VA_ARGS__ }
#define TILE_DO4(n, ...) \
    TILE_DO(n, __VA_ARGS__) TILE_DO(n + 1, __VA_ARGS__) TILE_DO(n + 2, __VA_ARGS__) TILE_DO(n + 3, __VA_ARGS__)
#if TILE_PX == 4
#define TILE_EACH(...) TILE_DO4(0, __VA_ARGS__) TILE_DO4(4, __VA_ARGS__)
#elif TILE_PX == 6
#define TILE_EACH(...) TILE_DO4(0, __VA_ARGS__) TILE_DO4(4, __VA_ARGS__) TILE_DO4(8, __VA_ARGS__)
#else
#define TILE_EACH(...)                                                              \
    TILE_DO4(0, __VA_ARGS__) TILE_DO4(4, __VA_ARGS__) TILE_DO4(8, __VA_ARGS__)      \
    TILE_DO4(12, __VA_ARGS__) TILE_DO4(16, __VA_ARGS__) TILE_DO4(20, __VA_ARGS__)
#endif

inline int blocks_of(int channels)
{
    return (channels + V - 1) / V;
}

/* Is the activation one of those that act_registers knows? */
inline int act_is_short(const conv_geom *g)
{
    return g->act == ACT_NONE || g->act == ACT_RELU || g->act == ACT_CLIP || g->act == ACT_SILU;
}

/* The commonest activations on n sums in registers, all of them at once: what a loop over them would wait for
 * overlaps, and nothing goes through memory. */
INLINE void act_registers(VF *a, const int n, const conv_geom *g)
{
    if (g->act == ACT_SILU) {
        TILE_EACH(if (i < n) a[i] = silu_v(a[i]);)
    } else if (g->act == ACT_RELU) {
        TILE_EACH(if (i < n) a[i] = at_least(a[i], (VF) (0.0f));)
    } else if (g->act == ACT_CLIP) {
        VF low = g->act_a, high = g->act_b;
        TILE_EACH(if (i < n) a[i] = at_most(at_least(a[i], low), high);)
    }
}

/* The end of a convolution: one vector of sums with its residual, which lies at r (NULL: there is none). */
INLINE VF conv_end(VF v, global const float *r, const conv_geom *g)
{
    if (r && !g->act_first)
        v += LOADV(0, r);
    v = act_v(v, g->act, g->act_a, g->act_b);
    return r && g->act_first ? v + LOADV(0, r) : v;
}
