/* Vector types of the device's width V, and addressing. Goes first into every program. */
#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)

typedef CAT(float, V) VF;       /* one block of channels */
typedef CAT(int, V) VI;
typedef CAT(uint, V) VU;
typedef CAT(uchar, V) VB;

#define LOADV CAT(vload, V)

/* Vectors in memory, read and written whole: PoCL's vload and vstore of sixteen come in pieces. */
typedef VF VM __attribute__((aligned(sizeof(float))));
#define STORES_WHOLE(T, space)                                                                            \
    inline void __attribute__((overloadable)) store_whole(CAT(T, V) v, long i, space T *p)                \
    {                                                                                                     \
        typedef CAT(T, V) vector __attribute__((aligned(sizeof(T))));                                     \
        *(space vector *) (p + i * V) = v;                                                                \
    }
#define STORES_OF(T) STORES_WHOLE(T, global) STORES_WHOLE(T, local) STORES_WHOLE(T, private)
STORES_OF(float)
STORES_OF(int)
STORES_OF(uchar)
STORES_OF(ushort)
STORES_OF(uint)
STORES_OF(ulong)
#define STOREV(v, i, p) store_whole(v, i, p)

/* Packed weights: floats, or halves, which vload_half widens (one instruction with F16C). */
#ifdef HALF_WEIGHTS
typedef half WEIGHT;
#define LOADW CAT(vload_half, V)
#else
typedef float WEIGHT;
#define LOADW LOADV
#endif

#define AS_VF CAT(as_float, V)
#define AS_VI CAT(as_int, V)
#define CONVERT_VF CAT(convert_float, V)
#define CONVERT_VI CAT(convert_int, V)

/* For functions that compilers shall make anew for each constant they are called with. */
#define INLINE inline __attribute__((always_inline))

/* The memory that a (base, byte offset) pair of arguments means. */
#define AT(type, base, offset) ((global type *) ((global char *) (base) + (offset)))

/* Asks for memory that will be read soon, into the second cache or, with NEAR, the first; any address will do.
 * Of use to CPUs. */
#if defined(__x86_64__) || defined(__aarch64__)
#define PREFETCH(p) __builtin_prefetch((const void *) (size_t) (p), 0, 2)
#define PREFETCH_NEAR(p) __builtin_prefetch((const void *) (size_t) (p), 0, 3)
#else
#define PREFETCH(p)
#define PREFETCH_NEAR(p)
#endif
