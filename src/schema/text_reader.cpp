#include "schema/text_reader.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "crema/error.h"
#include "schema/binary_io.h"
#include "schema/check_values.h"
#include "schema/extensions.h"
#include "schema/file_kind.h"
#include "schema/lexical_mistakes.h"
#include "schema/text_diagnosis.h"

namespace crema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;

// protobuf counts positions in 32 bits.
constexpr uint64_t kLargestText = 1u << 30;

// A group takes a thousand bytes of memory, even if it is empty. Real nets have one for 30 letters.
constexpr size_t kFewGroups = 20000, kLettersPerGroup = 16;

// Texts have fewer control characters, even damaged ones.
constexpr size_t kLettersPerControl = 20;

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

// For a text that could not be read: fails if it is no text at all, or holds what no text has.
void CheckIsText(const std::string& text, const std::string& name) {
  const std::string kind = KindOfBytes(text);
  if (!kind.empty()) Fail(InFile(name), ": is ", kind, ", not a text file");
  if (IsUtf16(text)) Fail(InFile(name), ": is UTF-16 text; save it as UTF-8");
  const auto controls = std::count_if(text.begin(), text.end(), IsControl);
  if (controls == 0) return;
  if (controls > static_cast<std::ptrdiff_t>(text.size() / kLettersPerControl)) {
    Fail(InFile(name), ": is a binary file, not text (.prototxt)");
  }
  const auto first = std::find_if(text.begin(), text.end(), IsControl);
  const auto at = static_cast<size_t>(first - text.begin());
  const auto code = static_cast<unsigned>(static_cast<unsigned char>(*first));
  const TextPlace place = PlaceOf(text, at);
  Fail(InFile(name, place.line), ":", place.column,
       ": the text contains a control character (byte ", code,
       "); remove it, or replace the file with an undamaged copy");
}

// Fails if there are so many groups, perhaps empty ones, that they would take far more memory than
// the text.
void CheckGroups(const std::string& text, const std::string& name) {
  const auto groups = static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return c == '{' || c == '<'; }));
  if (groups <= kFewGroups + text.size() / kLettersPerGroup) return;
  CheckIsText(text, name);
  Fail(InFile(name), ": opens ", groups, " groups with { or < in only ", text.size(),
       " letters, far more than a net needs; remove those that are empty");
}

// Ends of lines as Macs once had them, which protobuf takes for spaces; a comment would then have
// no end.
bool HasOldLineEnds(const std::string& text) {
  return text.find('\r') != std::string::npos && text.find('\n') == std::string::npos;
}

// Returns the name of the layer that `message` is, or "".
std::string NameOf(const Message& message) {
  const auto* field = message.GetDescriptor()->FindFieldByName("name");
  if (field == nullptr || field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) return "";
  return message.GetReflection()->GetString(message, field);
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
      ErrorPlace place = InFile(name, line + 1).place();
      place.layer = layer;
      const std::string of = layer.empty() ? "" : "layer \"" + layer + "\": ";
      throw Error(
          Concat(InFile(name, line + 1), ": ", of, "this group needs \"", field->name(), "\""),
          std::move(place));
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
  Fail(InFile(name, mistake.line() + 1), ": ", message.empty() ? "cannot be read" : message);
}

// Whether protobuf reads the text.
bool Parse(const std::string& text, FirstMistake* mistake, TextFormat::ParseInfoTree* places,
           Message* out) {
  TextFormat::Parser parser;
  parser.RecordErrorsTo(mistake);
  parser.WriteLocationsTo(places);
  parser.AllowPartialMessage(true);  // so that what is missing can be named below
  parser.SetRecursionLimit(kTextRecursionLimit);
  google::protobuf::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  return parser.Parse(&input, out);
}

std::vector<std::string> ReadLines(const std::string& text, const std::string& name, Message* out) {
  const std::shared_lock<std::shared_mutex> lock(ExtensionsMutex());
  std::vector<std::string> notes;
  FirstMistake mistake;
  TextFormat::ParseInfoTree places;
  if (!Parse(text, &mistake, &places, out)) {
    CheckIsText(text, name);
    const CleanedText cleaned = DiagnoseText(text, name, out->GetDescriptor());
    notes = cleaned.notes;
    if (!cleaned.differs) FailWith(mistake, name);
    FirstMistake second;
    TextFormat::ParseInfoTree again;
    if (!Parse(cleaned.text, &second, &again, out)) FailWith(second, name);
    if (!out->IsInitialized()) CheckRequired(*out, again, name, "", 0);
    CheckValues(*out, again, name);
  } else {
    if (!out->IsInitialized()) CheckRequired(*out, places, name, "", 0);
    CheckValues(*out, places, name);
  }
  return notes;
}

}  // namespace

std::vector<std::string> ReadText(const std::string& text, const std::string& name_for_errors,
                                  Message* out) {
  if (text.size() > kLargestText) Fail(InFile(name_for_errors), ": is larger than 1 GiB");
  CheckGroups(text, name_for_errors);
  if (text.rfind(kByteOrderMark, 0) == 0) {
    return ReadText(text.substr(sizeof(kByteOrderMark) - 1), name_for_errors, out);
  }
  if (!HasOldLineEnds(text)) return ReadLines(text, name_for_errors, out);
  std::string lines = text;
  std::replace(lines.begin(), lines.end(), '\r', '\n');
  return ReadLines(lines, name_for_errors, out);
}

std::vector<std::string> ReadTextFile(const std::string& path, Message* out) {
  std::vector<std::string> notes = ReadText(ReadFileBytes(path), path, out);
  std::vector<const FieldDescriptor*> fields;
  out->GetReflection()->ListFields(*out, &fields);
  if (fields.empty() && notes.empty()) Fail(InFile(path), ": is empty");
  return notes;
}

}  // namespace crema
