/* As many multiply-adds as the device can do: chains that do not wait for one another, no memory. */
enum { PEAK_CHAINS = 12 };

/* The chains converge to b/(1 - a), so no number grows or becomes denormal. The sum is stored only so that a compiler
 * cannot leave the work out. */
kernel void peak(global float *yb, ulong yo, float a, float b, int rounds)
{
    VF x[PEAK_CHAINS];
    #pragma unroll
    for (int i = 0; i < PEAK_CHAINS; i++)
        x[i] = (VF) ((float) i + (float) get_global_id(0));
    for (int r = 0; r < rounds; r++) {
        #pragma unroll
        for (int i = 0; i < PEAK_CHAINS; i++)
            x[i] = x[i] * a + b;
    }
    VF sum = x[0];
    #pragma unroll
    for (int i = 1; i < PEAK_CHAINS; i++)
        sum += x[i];
    STOREV(sum, get_global_id(0), AT(float, yb, yo));
}
