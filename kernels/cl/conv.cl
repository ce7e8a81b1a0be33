/* Geometry and the end of every convolution; as kernels/conv.h. */
typedef struct {
    int n, c, h, w;
    int m, oh, ow;
    int kh, kw, sh, sw, dh, dw, pt, pl;
    int act;
    float act_a, act_b;
    int per_item;
} conv_geom;

/* For functions that take the shape of a register tile as parameters: their loops must be unrolled after these
 * have become constants. */
#define INLINE inline __attribute__((always_inline))

/* AVX2 has 16 registers: 6x2 sums, 2 weights, 1 input. AVX-512 has 32. */
#if V == 16
#define TILE_PX 12
#elif V == 8
#define TILE_PX 6
#else
#define TILE_PX 4
#endif

inline int blocks_of(int channels)
{
    return (channels + V - 1) / V;
}
