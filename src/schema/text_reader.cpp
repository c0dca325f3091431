#include "schema/text_reader.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "crema/base/error.h"
#include "schema/binary_io.h"
#include "schema/file_kind.h"
#include "schema/text_diagnosis.h"

namespace crema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;

// protobuf counts positions in 32 bits.
constexpr uint64_t kLargestText = 1u << 30;

// Some editors begin files with it; protobuf does not skip it.
constexpr char kByteOrderMark[] = "\xef\xbb\xbf";

// Keeps the first mistake that protobuf reports.
class FirstMistake : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int, const std::string& message) override {
    if (line_ < 0) line_ = std::max(line, 0);
    if (message_.empty()) message_ = message;
  }
  void AddWarning(int, int, const std::string&) override {}

  int line() const { return std::max(line_, 0); }
  const std::string& message() const { return message_; }

 private:
  int line_ = -1;
  std::string message_;
};

bool IsControl(unsigned char c) { return c < 0x20 && (c < '\t' || c > '\r'); }

// For a text that could not be read: fails if it is no text at all.
void CheckIsText(const std::string& text, const std::string& name) {
  const std::string kind = KindOfBytes(text);
  if (!kind.empty()) Fail(name, ": is ", kind, ", not a text file");
  if (text.rfind("\xff\xfe", 0) == 0 || text.rfind("\xfe\xff", 0) == 0) {
    Fail(name, ": is a text in UTF-16; save it as UTF-8");
  }
  if (std::any_of(text.begin(), text.end(), IsControl)) {
    Fail(name, ": is a binary file where a text (.prototxt) was expected");
  }
}

// Returns the name of the layer that `message` is, in quotes, or "".
std::string NameOf(const Message& message) {
  const auto* field = message.GetDescriptor()->FindFieldByName("name");
  if (field == nullptr || field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) return "";
  return "layer \"" + message.GetReflection()->GetString(message, field) + "\": ";
}

void CheckRequired(const Message& message, const TextFormat::ParseInfoTree& places,
                   const std::string& name, const std::string& layer, int line);

void CheckRequiredWithin(const Message& message, const FieldDescriptor* field,
                         const TextFormat::ParseInfoTree& places, const std::string& name,
                         const std::string& layer) {
  const auto* reflection = message.GetReflection();
  const int count = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
  for (int i = 0; i < count; ++i) {
    const Message& inner = field->is_repeated() ? reflection->GetRepeatedMessage(message, field, i)
                                                : reflection->GetMessage(message, field);
    const int index = field->is_repeated() ? i : -1;
    const auto* tree = places.GetTreeForNested(field, index);
    if (inner.IsInitialized() || tree == nullptr) continue;
    CheckRequired(inner, *tree, name, field->name() == "layer" ? NameOf(inner) : layer,
                  places.GetLocation(field, index).line);
  }
}

// Fails, naming the line where the group begins, if a field that must be given is absent.
void CheckRequired(const Message& message, const TextFormat::ParseInfoTree& places,
                   const std::string& name, const std::string& layer, int line) {
  const auto* reflection = message.GetReflection();
  const auto* type = message.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->is_required() && !reflection->HasField(message, field)) {
      Fail(name, ":", line + 1, ": ", layer, "\"", field->name(),
           "\" has to be given in this group");
    }
  }
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      CheckRequiredWithin(message, field, places, name, layer);
    }
  }
}

// For a mistake that only protobuf's own reader saw.
[[noreturn]] void FailWith(const FirstMistake& mistake, const std::string& name) {
  std::string message = mistake.message();
  if (!message.empty() && message.back() == '.') message.pop_back();
  Fail(name, ":", mistake.line() + 1, ": ", message.empty() ? "cannot be read" : message);
}

}  // namespace

void ReadText(const std::string& text, const std::string& name_for_errors, Message* out) {
  if (text.size() > kLargestText) Fail(name_for_errors, ": is larger than 1 GiB");
  if (text.rfind(kByteOrderMark, 0) == 0) {
    return ReadText(text.substr(sizeof(kByteOrderMark) - 1), name_for_errors, out);
  }
  FirstMistake mistake;
  TextFormat::ParseInfoTree places;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&mistake);
  parser.WriteLocationsTo(&places);
  parser.AllowPartialMessage(true);  // so that what is missing can be named below
  parser.SetRecursionLimit(kTextRecursionLimit);
  google::protobuf::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  if (!parser.Parse(&input, out)) {
    CheckIsText(text, name_for_errors);
    DiagnoseText(text, name_for_errors, out->GetDescriptor());
    FailWith(mistake, name_for_errors);
  }
  if (!out->IsInitialized()) CheckRequired(*out, places, name_for_errors, "", 0);
}

void ReadTextFile(const std::string& path, Message* out) {
  ReadText(ReadFileBytes(path), path, out);
  std::vector<const FieldDescriptor*> fields;
  out->GetReflection()->ListFields(*out, &fields);
  if (fields.empty()) Fail(path, ": is empty: it holds no setting");
}

}  // namespace crema
