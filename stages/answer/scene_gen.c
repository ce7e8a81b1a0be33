/* Generates builtin:scene, a network whose weights are formulas, as an ONNX file: `scene_gen OUT.onnx`.
 *
 * The descriptor is a two-layer wavelet scattering transform on small pictures, beside a coarse colour layout
 * and picture statistics:
 *
 *   J. Bruna, S. Mallat, "Invariant Scattering Convolution Networks", IEEE PAMI 35(8), 2013: modulus of
 *   complex oriented wavelets, averaged; then the same again on the modulus. Morlet wavelets as there (a Gabor
 *   with its mean taken out), 8 orientations, 3 octaves through a pyramid of halved pictures.
 *   Colour layout: mean Y, Cb, Cr (ITU-R BT.601) on a 4x4 grid, after MPEG-7's descriptor of that name.
 *   Sharpness: energy of the Laplacian over the variance of luma (J. Pech-Pacheco et al., ICPR 2000).
 *
 *   image [N,3,256,256] RGB 0..1
 *     embedding [N,160]: 48 colour layout | 3 octaves x 8 orientations x 2x2 cells | 8 + 8 second order
 *     quality   [N,5]: mean Laplacian^2, mean luma, mean luma^2, share of dark and of bright pixels
 */
#include <math.h>
#include <stdio.h>

#include "stages/answer/onnx_writer.h"

enum { SIZE = 256, ORIENTATIONS = 8, TAPS = 7, EMBEDDING = 160, QUALITY = 5 };

static const double PI = 3.14159265358979323846;

/* Cells of the wavelet averages are log(1 + s/FLOOR)*LOG_SCALE: contrast counts by ratio, noise hardly. The
 * finest octave counts half: that is where a lossy copy differs most from its original. */
static const float FLOOR = 0.02f, LOG_SCALE = 0.25f, FINE_LOG_SCALE = 0.125f;
static const float CHROMA_WEIGHT = 2.0f;

#define INPUTS(...) ((const char *const[]) {__VA_ARGS__, NULL})
#define DIMS(...) ((const int64_t[]) {__VA_ARGS__})

/* One Morlet wavelet, real or imaginary part: Gaussian of width 1.6 pixels times a wave of 3 pi/8 rad/pixel,
 * mean taken out, scaled so that the taps' magnitudes add up to 2. */
static void morlet(double angle, int imaginary, float out[TAPS * TAPS])
{
    double window[TAPS * TAPS], wave[TAPS * TAPS], sum_window = 0, sum = 0, magnitude = 0;
    for (int i = 0; i < TAPS * TAPS; i++) {
        int x = i % TAPS - TAPS / 2, y = i / TAPS - TAPS / 2;
        double along = x * cos(angle) + y * sin(angle);
        window[i] = exp(-(x * x + y * y) / (2 * 1.6 * 1.6));
        wave[i] = window[i] * (imaginary ? sin(3 * PI / 8 * along) : cos(3 * PI / 8 * along));
        sum_window += window[i];
        sum += wave[i];
    }
    for (int i = 0; i < TAPS * TAPS; i++) {
        wave[i] -= window[i] * sum / sum_window;
        magnitude += fabs(wave[i]);
    }
    for (int i = 0; i < TAPS * TAPS; i++)
        out[i] = (float) (2 * wave[i] / magnitude);
}

/* Both parts of one wavelet per orientation, turned by `turn`, as NAME_re and NAME_im. */
static void wavelets(struct onnx_writer *w, const char *name, double turn)
{
    float bank[ORIENTATIONS][TAPS * TAPS];
    char part_name[32];
    for (int part = 0; part < 2; part++) {
        for (int o = 0; o < ORIENTATIONS; o++)
            morlet(PI * o / ORIENTATIONS + turn, part, bank[o]);
        snprintf(part_name, sizeof part_name, "%s_%s", name, part ? "im" : "re");
        onnx_floats(w, part_name, DIMS(ORIENTATIONS, 1, TAPS, TAPS), 4, bank[0]);
    }
}

static void halve(struct onnx_writer *w, const char *in, const char *out)
{
    onnx_node(w, "AveragePool", out, INPUTS(in),
              (const struct onnx_attr[]) {{"kernel_shape", DIMS(2, 2), 2}, {"strides", DIMS(2, 2), 2}, {0}});
}

/* out = |in * psi|, smoothed at zero; group: channels of `in`, each with wavelets of its own. */
static void modulus(struct onnx_writer *w, const char *in, const char *psi, int group, int stride, const char *out)
{
    char re[32], im[32];
    snprintf(re, sizeof re, "%s_re", psi);
    snprintf(im, sizeof im, "%s_im", psi);
    char name[6][64];
    static const char *const suffix[6] = {"re", "im", "re2", "im2", "energy", "energy_eps"};
    for (int i = 0; i < 6; i++)
        snprintf(name[i], sizeof name[i], "%s_%s", out, suffix[i]);

    const struct onnx_attr conv[] = {{"kernel_shape", DIMS(TAPS, TAPS), 2},
                                     {"pads", DIMS(3, 3, 3, 3), 4},
                                     {"strides", DIMS(stride, stride), 2},
                                     {"group", NULL, 0, group},
                                     {0}};
    onnx_node(w, "Conv", name[0], INPUTS(in, re), conv);
    onnx_node(w, "Conv", name[1], INPUTS(in, im), conv);
    onnx_node(w, "Mul", name[2], INPUTS(name[0], name[0]), NULL);
    onnx_node(w, "Mul", name[3], INPUTS(name[1], name[1]), NULL);
    onnx_node(w, "Add", name[4], INPUTS(name[2], name[3]), NULL);
    onnx_node(w, "Add", name[5], INPUTS(name[4], "eps"), NULL);
    onnx_node(w, "Sqrt", out, INPUTS(name[5]), NULL);
}

/* out [N,n]: averages of `in` over windows of `window` pixels, log-compressed, times the scalar `scale`. */
static void compressed_cells(struct onnx_writer *w, const char *in, int window, const char *scale, const char *out)
{
    char name[4][64];
    static const char *const suffix[4] = {"cells", "ratio", "ratio1", "log"};
    for (int i = 0; i < 4; i++)
        snprintf(name[i], sizeof name[i], "%s_%s", out, suffix[i]);
    char scaled[64];
    snprintf(scaled, sizeof scaled, "%s_scaled", out);

    onnx_node(w, "AveragePool", name[0], INPUTS(in),
              (const struct onnx_attr[]) {
                  {"kernel_shape", DIMS(window, window), 2}, {"strides", DIMS(window, window), 2}, {0}});
    onnx_node(w, "Mul", name[1], INPUTS(name[0], "inverse_floor"), NULL);
    onnx_node(w, "Add", name[2], INPUTS(name[1], "one"), NULL);
    onnx_node(w, "Log", name[3], INPUTS(name[2]), NULL);
    onnx_node(w, "Mul", scaled, INPUTS(name[3], scale), NULL);
    onnx_node(w, "Flatten", out, INPUTS(scaled), (const struct onnx_attr[]) {{"axis", NULL, 0, 1}, {0}});
}

/* Y in -1/2..1/2 and weighted Cb, Cr; luma alone in 0..1. BT.601. */
static void colour(struct onnx_writer *w)
{
    const float c = CHROMA_WEIGHT;
    const float matrix[9] = {0.299f,           0.587f,           0.114f,        -0.168736f * c, -0.331264f * c,
                             0.5f * c,         0.5f * c,         -0.418688f * c, -0.081312f * c};
    onnx_floats(w, "ycc", DIMS(3, 3, 1, 1), 4, matrix);
    onnx_floats(w, "ycc_bias", DIMS(3), 1, (const float[]) {-0.5f, 0, 0});
    onnx_floats(w, "luma_weights", DIMS(1, 3, 1, 1), 4, matrix);

    onnx_node(w, "Conv", "luma", INPUTS("image", "luma_weights"), NULL);
    onnx_node(w, "AveragePool", "rgb_grid", INPUTS("image"),
              (const struct onnx_attr[]) {
                  {"kernel_shape", DIMS(SIZE / 4, SIZE / 4), 2}, {"strides", DIMS(SIZE / 4, SIZE / 4), 2}, {0}});
    onnx_node(w, "Conv", "colour_grid", INPUTS("rgb_grid", "ycc", "ycc_bias"), NULL);
    onnx_node(w, "Flatten", "colour_layout", INPUTS("colour_grid"), (const struct onnx_attr[]) {{"axis", NULL, 0, 1}, {0}});
}

static void scattering(struct onnx_writer *w)
{
    halve(w, "luma", "luma_128");
    halve(w, "luma_128", "luma_64");
    halve(w, "luma_64", "luma_32");
    modulus(w, "luma_128", "psi", 1, 2, "first_0");   /* 64x64 */
    modulus(w, "luma_64", "psi", 1, 1, "first_1");    /* 64x64 */
    modulus(w, "luma_32", "psi", 1, 1, "first_2");    /* 32x32 */
    compressed_cells(w, "first_0", 32, "fine_log_scale", "scatter_0");
    compressed_cells(w, "first_1", 32, "log_scale", "scatter_1");
    compressed_cells(w, "first_2", 16, "log_scale", "scatter_2");

    halve(w, "first_0", "first_0_half");
    /* Second order: each orientation seen along itself and across; 32x32. */
    modulus(w, "first_0_half", "psi", ORIENTATIONS, 1, "second_along");
    modulus(w, "first_0_half", "psi_across", ORIENTATIONS, 1, "second_across");
    compressed_cells(w, "second_along", 32, "fine_log_scale", "scatter_along");
    compressed_cells(w, "second_across", 32, "fine_log_scale", "scatter_across");
}

/* Share of pixels past a limit: a steep ramp, clipped to 0..1 and averaged. */
static void clipped_share(struct onnx_writer *w, const char *side, float slope, float offset)
{
    char name[6][64];
    static const char *const suffix[6] = {"slope", "offset", "sloped", "ramp", "step", "share"};
    for (int i = 0; i < 6; i++)
        snprintf(name[i], sizeof name[i], "%s_%s", side, suffix[i]);
    onnx_scalar(w, name[0], slope);
    onnx_scalar(w, name[1], offset);
    onnx_node(w, "Mul", name[2], INPUTS("luma", name[0]), NULL);
    onnx_node(w, "Add", name[3], INPUTS(name[2], name[1]), NULL);
    onnx_node(w, "Clip", name[4], INPUTS(name[3], "zero", "one"), NULL);
    onnx_node(w, "GlobalAveragePool", name[5], INPUTS(name[4]), NULL);
}

static void statistics(struct onnx_writer *w)
{
    onnx_floats(w, "laplacian", DIMS(1, 1, 3, 3), 4, (const float[]) {0, 1, 0, 1, -4, 1, 0, 1, 0});
    /* No padding: the border would be an edge of its own. */
    onnx_node(w, "Conv", "edges", INPUTS("luma", "laplacian"), NULL);
    onnx_node(w, "Mul", "edges_2", INPUTS("edges", "edges"), NULL);
    onnx_node(w, "Mul", "luma_2", INPUTS("luma", "luma"), NULL);
    onnx_node(w, "GlobalAveragePool", "mean_edges_2", INPUTS("edges_2"), NULL);
    onnx_node(w, "GlobalAveragePool", "mean_luma", INPUTS("luma"), NULL);
    onnx_node(w, "GlobalAveragePool", "mean_luma_2", INPUTS("luma_2"), NULL);
    clipped_share(w, "dark", -64, 2);      /* 1 below 1/64, 0 above 2/64 */
    clipped_share(w, "bright", 64, -62);   /* 0 below 62/64, 1 above 63/64 */
    onnx_node(w, "Concat", "quality_map", INPUTS("mean_edges_2", "mean_luma", "mean_luma_2", "dark_share", "bright_share"),
              (const struct onnx_attr[]) {{"axis", NULL, 0, 1}, {0}});
    onnx_node(w, "Flatten", "quality", INPUTS("quality_map"), (const struct onnx_attr[]) {{"axis", NULL, 0, 1}, {0}});
}

static void network(struct onnx_writer *w)
{
    onnx_input(w, "image", DIMS(0, 3, SIZE, SIZE), 4);
    onnx_scalar(w, "eps", 1e-8f);
    onnx_scalar(w, "zero", 0);
    onnx_scalar(w, "one", 1);
    onnx_scalar(w, "inverse_floor", 1 / FLOOR);
    onnx_scalar(w, "log_scale", LOG_SCALE);
    onnx_scalar(w, "fine_log_scale", FINE_LOG_SCALE);
    wavelets(w, "psi", 0);
    wavelets(w, "psi_across", PI / 2);
    colour(w);
    scattering(w);
    statistics(w);
    onnx_node(w, "Concat", "embedding", INPUTS("colour_layout", "scatter_0", "scatter_1", "scatter_2", "scatter_along", "scatter_across"),
              (const struct onnx_attr[]) {{"axis", NULL, 0, 1}, {0}});
    onnx_output(w, "embedding", DIMS(0, EMBEDDING), 2);
    onnx_output(w, "quality", DIMS(0, QUALITY), 2);
    onnx_metadata(w, "decoder", "scene");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: scene_gen OUT.onnx\n");
        return 2;
    }
    struct onnx_writer *w;
    enum cq_err err = onnx_begin("clipq_scene", &w);
    if (!err) {
        network(w);
        err = onnx_save(w, argv[1]);
        onnx_end(&w);
    }
    if (err)
        fprintf(stderr, "scene_gen: %s: %s\n", argv[1], cq_err_text(err));
    return err ? 1 : 0;
}
