#include "schema/message_size.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <climits>
#include <unordered_map>

namespace crema {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// As protobuf's own.
constexpr int kDeepest = 100;
// What memory costs beside its content: the allocator's share, and a place in a list.
constexpr uint64_t kOverhead = 24;
constexpr uint64_t kUnknownField = 24;
// What files may take: all that small ones want, and larger ones in proportion. Layers without
// weights, as Caffe writes them, take six times their size.
constexpr uint64_t kSmall = uint64_t{4} << 20, kMostTimes = 16;

// A field of the type, or one that a plug-in has added to it.
const FieldDescriptor* FindField(const Descriptor* type, int number) {
  const FieldDescriptor* own = type->FindFieldByNumber(number);
  if (own != nullptr || !type->IsExtensionNumber(number)) return own;
  return type->file()->pool()->FindExtensionByNumber(type, number);
}

class Counter {
 public:
  // Up to the end of what `in` is limited to, or damage.
  void CountFields(CodedInputStream* in, const Descriptor* type, int depth);
  uint64_t total() const { return total_; }
  void CountMessage(const Descriptor* type);

 private:
  bool CountField(CodedInputStream* in, uint32_t tag, const FieldDescriptor* field, int depth);
  bool CountBytes(CodedInputStream* in, const FieldDescriptor* field, int depth);

  uint64_t total_ = 0;
  std::unordered_map<const Descriptor*, uint64_t> sizes_;
};

void Counter::CountMessage(const Descriptor* type) {
  uint64_t& size = sizes_[type];
  if (size == 0) {
    size = MessageFactory::generated_factory()->GetPrototype(type)->SpaceUsedLong() + kOverhead;
  }
  total_ += size;
}

// Of unknown type where `type` is null.
void Counter::CountFields(CodedInputStream* in, const Descriptor* type, int depth) {
  uint32_t last_tag = 0;
  const FieldDescriptor* field = nullptr;
  while (const uint32_t tag = in->ReadTag()) {
    if (tag != last_tag) {
      const int number = WireFormatLite::GetTagFieldNumber(tag);
      field = type == nullptr ? nullptr : FindField(type, number);
      last_tag = tag;
    }
    if (WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_END_GROUP) return;
    if (!CountField(in, tag, field, depth)) return;
  }
}

// Returns false at damage.
bool Counter::CountField(CodedInputStream* in, uint32_t tag, const FieldDescriptor* field,
                         int depth) {
  switch (WireFormatLite::GetTagWireType(tag)) {
    case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: return CountBytes(in, field, depth);
    case WireFormatLite::WIRETYPE_START_GROUP:
      total_ += kUnknownField + kOverhead;
      if (depth == kDeepest) return false;
      CountFields(in, nullptr, depth + 1);
      return true;
    default:
      total_ += kUnknownField;  // which a known one is, too, if it is of another type
      return WireFormatLite::SkipField(in, tag);
  }
}

// A message, a text, or numbers one after the other; else what is kept as unknown bytes.
bool Counter::CountBytes(CodedInputStream* in, const FieldDescriptor* field, int depth) {
  int size = 0;
  if (!in->ReadVarintSizeAsInt(&size)) return false;
  const auto bytes = static_cast<uint64_t>(size);
  const auto type = field == nullptr ? FieldDescriptor::CPPTYPE_STRING : field->cpp_type();
  const bool is_text = type == FieldDescriptor::CPPTYPE_STRING;
  if (type == FieldDescriptor::CPPTYPE_MESSAGE) {
    CountMessage(field->message_type());
    if (depth == kDeepest) return false;
    const auto limit = in->PushLimit(size);
    CountFields(in, field->message_type(), depth + 1);
    const bool whole = in->BytesUntilLimit() == 0;
    in->PopLimit(limit);
    return whole;
  }
  if (is_text || !field->is_packable()) {
    total_ += kUnknownField + sizeof(std::string) + kOverhead + bytes;
  } else if (type == FieldDescriptor::CPPTYPE_FLOAT || type == FieldDescriptor::CPPTYPE_DOUBLE) {
    total_ += bytes;
  } else {
    total_ += bytes * sizeof(uint64_t);  // a byte each at least
  }
  return in->Skip(size);
}

}  // namespace

uint64_t SizeInMemory(const std::string& bytes, const Message& message) {
  CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                      static_cast<int>(std::min<size_t>(bytes.size(), INT_MAX)));
  in.SetTotalBytesLimit(INT_MAX);
  Counter counter;
  counter.CountMessage(message.GetDescriptor());
  counter.CountFields(&in, message.GetDescriptor(), 0);
  return counter.total();
}

bool IsInProportion(const std::string& bytes, const Message& message) {
  return SizeInMemory(bytes, message) <= kSmall + kMostTimes * bytes.size();
}

}  // namespace crema
