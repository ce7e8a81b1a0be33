/* The embedded ONNX file of builtin:scene. */
#include "stages/answer/scene.h"

extern const unsigned char builtin_scene_onnx[];
extern const unsigned long builtin_scene_onnx_size;

const void *builtin_scene(size_t *size)
{
    *size = builtin_scene_onnx_size;
    return builtin_scene_onnx;
}
