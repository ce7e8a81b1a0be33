/* Numbers of any type behind one pointer: V elements of a row are loaded as 64-bit integers or as floats, and stored
 * with the rules of kernels/ref/ref.h, the type chosen at run time. One program then serves all types, which matters
 * more than speed: programs take long to build, and tensors of such types are small. Codes as in enum dtype.
 *
 * Lanes are plain arrays: vectors of long are wider than the registers that calls pass them in.
 * `n` elements of a row are left; lanes past them repeat the last when loaded, and are not stored.
 */
enum { DT_NONE, DT_F32, DT_F16, DT_F64, DT_U8, DT_I8, DT_U16, DT_I16, DT_I32, DT_U32, DT_I64, DT_U64, DT_BOOL };

inline bool is_float(int type)
{
    return type == DT_F32 || type == DT_F16;
}

#define LANES for (int i = 0; i < V; i++)

#define LOAD_CASE(T)                                     \
    {                                                    \
        global const T *from = (global const T *) p + at; \
        if (step == 1 && n >= V)                         \
            LANES lane[i] = from[i];                     \
        else                                             \
            LANES lane[i] = from[min(i, n - 1) * step];  \
        break;                                           \
    }

/* Of integer types. */
inline void load_ints(long *lane, global const char *p, int type, int at, int step, int n)
{
    switch (type) {
    case DT_I8: LOAD_CASE(char)
    case DT_U16: LOAD_CASE(ushort)
    case DT_I16: LOAD_CASE(short)
    case DT_I32: LOAD_CASE(int)
    case DT_U32: LOAD_CASE(uint)
    case DT_I64: LOAD_CASE(long)
    default: LOAD_CASE(uchar)
    }
}

inline void load_floats(float *lane, global const char *p, int type, int at, int step, int n)
{
    switch (type) {
    case DT_F32: LOAD_CASE(float)
    case DT_F16:
        LANES lane[i] = vload_half(at + min(i, n - 1) * step, (global const half *) p);
        break;
    case DT_I8: LOAD_CASE(char)
    case DT_U16: LOAD_CASE(ushort)
    case DT_I16: LOAD_CASE(short)
    case DT_I32: LOAD_CASE(int)
    case DT_U32: LOAD_CASE(uint)
    case DT_I64: LOAD_CASE(long)
    default: LOAD_CASE(uchar)
    }
}

#define STORE_CASE(T, VALUE)                   \
    {                                          \
        global T *to = (global T *) p + at;    \
        if (n >= V)                            \
            LANES to[i] = (T) (VALUE);         \
        else                                   \
            for (int i = 0; i < n; i++)        \
                to[i] = (T) (VALUE);           \
        break;                                 \
    }

/* To integer types: keeps the low bits; a truth value is 0 or 1. */
inline void store_ints(const long *lane, global char *p, int type, int at, int n)
{
    switch (type) {
    case DT_BOOL: STORE_CASE(uchar, lane[i] != 0)
    case DT_U16: case DT_I16: STORE_CASE(ushort, lane[i])
    case DT_I32: case DT_U32: STORE_CASE(uint, lane[i])
    case DT_I64: STORE_CASE(long, lane[i])
    default: STORE_CASE(uchar, lane[i])
    }
}

inline void store_floats(const float *lane, global char *p, int type, int at, int n)
{
    switch (type) {
    case DT_F32: STORE_CASE(float, lane[i])
    default:
        for (int i = 0; i < min(n, V); i++)
            vstore_half_rte(lane[i], at + i, (global half *) p);
    }
}

/* Towards zero. What does not fit, NaN included, becomes the lowest number: of int where that is the target. */
inline void floats_to_ints(long *to, const float *from, int type)
{
    float limit = type == DT_I32 ? 0x1p31f : 0x1p63f;
    long lowest = type == DT_I32 ? INT_MIN : LONG_MIN;
    LANES {
        bool fits = from[i] >= -limit && from[i] < limit;
        to[i] = fits ? (long) (fits ? from[i] : 0.0f) : lowest;
    }
}

/* Element `at` alone. */
inline long load_int(global const char *p, int type, int at)
{
    switch (type) {
    case DT_I8: return ((global const char *) p)[at];
    case DT_U16: return ((global const ushort *) p)[at];
    case DT_I16: return ((global const short *) p)[at];
    case DT_I32: return ((global const int *) p)[at];
    case DT_U32: return ((global const uint *) p)[at];
    case DT_I64: return ((global const long *) p)[at];
    default: return ((global const uchar *) p)[at];
    }
}

inline float load_float(global const char *p, int type, int at)
{
    return type == DT_F32 ? ((global const float *) p)[at] : vload_half(at, (global const half *) p);
}
