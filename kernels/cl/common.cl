/* Vector types of the device's width V, and addressing. Goes first into every program. */
#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)

typedef CAT(float, V) VF;       /* one block of channels */
typedef CAT(int, V) VI;
typedef CAT(uint, V) VU;
typedef CAT(uchar, V) VB;

#define LOADV CAT(vload, V)
#define STOREV CAT(vstore, V)
#define AS_VF CAT(as_float, V)
#define AS_VI CAT(as_int, V)
#define CONVERT_VF CAT(convert_float, V)
#define CONVERT_VI CAT(convert_int, V)

/* For functions that compilers shall make anew for each constant they are called with. */
#define INLINE inline __attribute__((always_inline))

/* The memory that a (base, byte offset) pair of arguments means. */
#define AT(type, base, offset) ((global type *) ((global char *) (base) + (offset)))
