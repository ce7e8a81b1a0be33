/* A walk over the protobuf wire format that only counts depth.
 *
 * A file of a few hundred kilobytes can nest messages deep enough to exhaust the stack of a recursive
 * parser. Which fields are messages is known from protobuf-c's own descriptors, so the walk follows exactly
 * what the parser would.
 */
#include <onnx.pb-c.h>

#include "stages/infer/onnx.h"

enum { MAX_DEPTH = 32 };
enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct walk { const uint8_t *at, *end; };

static bool read_varint(struct walk *w, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        uint8_t byte = *w->at++;
        *out |= (uint64_t) (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool skip(struct walk *w, uint64_t bytes)
{
    if (bytes > (uint64_t) (w->end - w->at))
        return false;
    w->at += bytes;
    return true;
}

static bool message_ok(const ProtobufCMessageDescriptor *type, struct walk w, int depth);

static bool bytes_ok(const ProtobufCMessageDescriptor *type, struct walk *w, unsigned field_id, int depth)
{
    uint64_t size;
    if (!read_varint(w, &size) || size > (uint64_t) (w->end - w->at))
        return false;
    struct walk inside = {w->at, w->at + size};
    w->at += size;
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, field_id);
    if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return true;
    return message_ok(field->descriptor, inside, depth + 1);
}

static bool message_ok(const ProtobufCMessageDescriptor *type, struct walk w, int depth)
{
    if (depth > MAX_DEPTH)
        return false;
    while (w.at < w.end) {
        uint64_t tag, ignored;
        bool ok = read_varint(&w, &tag);
        switch (ok ? (int) (tag & 7) : -1) {
        case WIRE_VARINT: ok = read_varint(&w, &ignored); break;
        case WIRE_64:     ok = skip(&w, 8); break;
        case WIRE_BYTES:  ok = bytes_ok(type, &w, (unsigned) (tag >> 3), depth); break;
        case WIRE_32:     ok = skip(&w, 4); break;
        default:          return false;
        }
        if (!ok)
            return false;
    }
    return true;
}

bool onnx_wire_ok(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    return message_ok(&onnx__model_proto__descriptor, (struct walk){bytes, bytes + size}, 0);
}
