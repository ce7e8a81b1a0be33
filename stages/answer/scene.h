/* builtin:scene: the embedded, training-free model. Its ONNX file is made at build time by
 * stages/answer/scene_gen.c and linked into the program. */
#ifndef CLIPQ_STAGES_ANSWER_SCENE_H
#define CLIPQ_STAGES_ANSWER_SCENE_H

#include <stddef.h>

#define BUILTIN_SCENE "builtin:scene"

/* The ONNX file; lives as long as the program. */
const void *builtin_scene(size_t *size);

#endif
