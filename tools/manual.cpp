// Pages from the schema's comments, and their forms as text and Markdown.
#include "manual.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/strings.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "crema/error.h"
#include "crema/load_plugins.h"
#include "layer_kinds.h"
#include "wrap.h"

namespace crema {

// Made from proto/crema.proto by the build.
extern const unsigned char kSchemaWithComments[];
extern const size_t kSchemaWithCommentsSize;

namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;

// The language with its comments, and what plug-ins add to it.
struct Schema {
  DescriptorPool pool;
  std::vector<const FileDescriptor*> files;

  void Add(const google::protobuf::FileDescriptorSet& set) {
    for (const auto& file : set.file()) {
      const FileDescriptor* built = pool.BuildFile(file);
      if (built != nullptr) files.push_back(built);
    }
  }
};

// As of the first call: plug-ins are loaded before.
const Schema& TheSchema() {
  static const Schema* const schema = [] {
    google::protobuf::FileDescriptorSet files;
    CREMA_CHECK(
        files.ParseFromArray(kSchemaWithComments, static_cast<int>(kSchemaWithCommentsSize)),
        "the schema in the program is damaged");
    auto* made = new Schema;
    made->Add(files);
    for (const Plugin& plugin : LoadedPlugins()) {
      if (files.ParseFromString(plugin.schema)) made->Add(files);
    }
    return made;
  }();
  return *schema;
}

const DescriptorPool& Pool() { return TheSchema().pool; }

const Descriptor& Message(const std::string& name) {
  const Descriptor* found = Pool().FindMessageTypeByName("crema.proto." + name);
  CREMA_CHECK(found != nullptr, name);
  return *found;
}

// The lines of a comment without the blank that follows the slashes.
template <class Described>
std::vector<std::string> CommentLines(const Described& described) {
  google::protobuf::SourceLocation location;
  if (!described.GetSourceLocation(&location)) return {};
  std::vector<std::string> lines;
  std::istringstream text(location.leading_comments);
  for (std::string line; std::getline(text, line);) {
    lines.push_back(line.empty() || line[0] != ' ' ? line : line.substr(1));
  }
  return lines;
}

// Lines that follow each other become one, except those that are indented: tables and formulas.
std::string JoinLines(const std::vector<std::string>& lines) {
  std::string text;
  bool was_break = true;
  for (const std::string& line : lines) {
    const bool indented = !line.empty() && line[0] == ' ';
    const bool breaks = line.empty() || indented;
    if (!text.empty()) text += breaks || was_break ? "\n" : " ";
    text += line;
    was_break = breaks;
  }
  return text;
}

template <class Described>
std::string Comment(const Described& described) {
  return JoinLines(CommentLines(described));
}

// "Convolution, Deconvolution and Im2col" -> the three.
std::vector<std::string> SplitNames(std::string list) {
  for (size_t at; (at = list.find(" and ")) != std::string::npos;) list.replace(at, 5, ", ");
  std::vector<std::string> names;
  std::istringstream words(list);
  for (std::string word; std::getline(words, word, ',');) {
    const size_t first = word.find_first_not_of(' ');
    if (first != std::string::npos) names.push_back(word.substr(first));
  }
  return names;
}

// The types that a comment such as "Settings of RNN and LSTM." names.
std::vector<std::string> TypesOfField(const FieldDescriptor& field) {
  const std::string comment = Comment(field), start = "Settings of ";
  if (comment.compare(0, start.size(), start) != 0) return {};
  const size_t end = comment.find_first_of(".:", start.size());
  return SplitNames(comment.substr(start.size(), end - start.size()));
}

// The lines "  Silence: takes blobs ..." in the comment of LayerParameter.
std::map<std::string, std::string> ReadPurposes() {
  std::map<std::string, std::string> purposes;
  std::string last;
  for (const std::string& line : CommentLines(Message("LayerParameter"))) {
    const size_t colon = line.find(": ");
    const bool is_entry = line.compare(0, 2, "  ") == 0 && line.compare(0, 4, "    ") != 0 &&
                          colon != std::string::npos;
    if (is_entry) {
      last = line.substr(2, colon - 2);
      purposes[last] = line.substr(colon + 2);
    } else if (line.compare(0, 4, "    ") == 0 && !last.empty()) {
      purposes[last] += " " + line.substr(4);
    } else {
      last.clear();
    }
  }
  return purposes;
}

std::string TypeName(const FieldDescriptor& field) {
  std::string name = field.cpp_type_name();
  if (field.type() == FieldDescriptor::TYPE_STRING) name = "string";
  if (field.type() == FieldDescriptor::TYPE_BYTES) name = "bytes";
  if (field.message_type() != nullptr) name = field.message_type()->name();
  if (field.enum_type() != nullptr) name = field.enum_type()->name();
  return (field.is_repeated() ? "repeated " : "") + name;
}

ManualField MakeField(const FieldDescriptor& field) {
  ManualField made{field.name(), TypeName(field), Comment(field), {}};
  if (field.enum_type() == nullptr) return made;
  for (int v = 0; v < field.enum_type()->value_count(); ++v) {
    const auto& value = *field.enum_type()->value(v);
    made.values.push_back(value.name() + ": " + Comment(value));
  }
  return made;
}

bool IsLayerField(const FieldDescriptor& field) { return !TypesOfField(field).empty(); }

// Fields that hold a net's parts have pages of their own, and weights are not written by hand.
bool HasOwnPage(const Descriptor& message) {
  static const std::set<std::string> pages = {"NetParameter", "LayerParameter", "V1LayerParameter",
                                              "BlobProto"};
  return pages.count(message.name()) > 0;
}

// A section for the message, and for each message that its fields are of.
void AddSections(const Descriptor& message, const std::string& title, const std::string& comment,
                 std::set<std::string>* done, ManualPage* page) {
  if (!done->insert(message.name()).second) return;
  ManualSection section{title, comment, {}};
  for (int f = 0; f < message.field_count(); ++f) {
    if (!IsLayerField(*message.field(f))) section.fields.push_back(MakeField(*message.field(f)));
  }
  if (!section.fields.empty()) page->sections.push_back(section);
  for (int f = 0; f < message.field_count(); ++f) {
    const FieldDescriptor& field = *message.field(f);
    if (IsLayerField(field) || field.message_type() == nullptr) continue;
    const Descriptor& inner = *field.message_type();
    if (!HasOwnPage(inner)) AddSections(inner, inner.name(), Comment(inner), done, page);
  }
}

std::string FirstSentence(const std::string& text) {
  const std::string paragraph = text.substr(0, text.find('\n'));
  const size_t end = paragraph.find(". ");
  std::string sentence = end == std::string::npos ? paragraph : paragraph.substr(0, end + 1);
  while (!sentence.empty() && sentence.back() == ' ') sentence.pop_back();
  return sentence;
}

std::string Count(int least, int most, const char* noun) {
  const std::string number = most < 0        ? Concat(least, " or more ")
                             : least == most ? Concat(most == 0 ? "no" : std::to_string(most), " ")
                                             : Concat(least, " to ", most, " ");
  return number + noun + (most == 1 ? "" : "s");
}

// What the layer itself says. One that cannot be made without its options says nothing.
std::string UseOf(const std::string& type) {
  proto::LayerParameter config;
  config.set_name("help");
  config.set_type(type);
  try {
    const LayerTraits traits = CreateLayer(config, Phase::kTrain, DeviceKind::kCpu)->traits();
    return Concat("Takes ", Count(traits.min_bottoms, traits.max_bottoms, "bottom"), ", makes ",
                  Count(traits.min_tops, traits.max_tops, "top"), ".",
                  traits.may_run_in_place ? " May run in place." : "",
                  traits.has_backward ? "" : " Has no gradient.");
  } catch (const Error&) {
    return "";
  }
}

// "Accuracy: the share of ..." -> "The share of ...".
std::string WithoutTitle(const std::string& comment) {
  const size_t colon = comment.find(": ");
  if (colon == std::string::npos || comment.find('.') < colon) return comment;
  std::string rest = comment.substr(colon + 2);
  const bool is_symbol = rest.size() > 1 && rest[1] == ' ' && rest[0] != 'a';  // "y = ..."
  if (!is_symbol) rest[0] = static_cast<char>(std::toupper(rest[0]));
  return rest;
}

// The groups that a layer may have, with those of plug-ins.
std::vector<const FieldDescriptor*> OptionsOfLayers() {
  const Descriptor& layer = Message("LayerParameter");
  std::vector<const FieldDescriptor*> fields;
  Pool().FindAllExtensions(&layer, &fields);
  for (int f = 0; f < layer.field_count(); ++f) fields.push_back(layer.field(f));
  const auto is_single = [](const FieldDescriptor* field) {
    return field->message_type() == nullptr;
  };
  fields.erase(std::remove_if(fields.begin(), fields.end(), is_single), fields.end());
  return fields;
}

ManualPage LayerPage(const std::string& type) {
  static const std::map<std::string, std::string> purposes = ReadPurposes();
  ManualPage page;
  page.title = type;
  page.use = UseOf(type);
  const auto own = purposes.find(type);
  if (own != purposes.end()) page.purpose = WithoutTitle("x: " + own->second);
  std::set<std::string> done;
  std::vector<const FieldDescriptor*> fields = OptionsOfLayers();
  const auto is_of_others = [&](const FieldDescriptor* field) {
    const std::vector<std::string> types = TypesOfField(*field);
    return std::find(types.begin(), types.end(), type) == types.end();
  };
  fields.erase(std::remove_if(fields.begin(), fields.end(), is_of_others), fields.end());
  // What is the layer's alone comes before what it shares with others.
  std::stable_sort(fields.begin(), fields.end(), [](const auto* a, const auto* b) {
    return TypesOfField(*a).size() < TypesOfField(*b).size();
  });
  for (const FieldDescriptor* field : fields) {
    const std::string comment = Comment(*field->message_type());
    const bool is_first = page.purpose.empty();
    if (is_first) page.purpose = WithoutTitle(comment);
    AddSections(*field->message_type(), field->name(), is_first ? "" : comment, &done, &page);
  }
  page.summary = FirstSentence(page.purpose);
  return page;
}

ManualPage MessagePage(const std::string& title, const std::string& message) {
  ManualPage page;
  page.title = title;
  page.purpose = Comment(Message(message));
  page.summary = FirstSentence(page.purpose);
  std::set<std::string> done;
  AddSections(Message(message), message, "", &done, &page);
  return page;
}

const std::map<std::string, std::string>& MessagePages() {
  static const std::map<std::string, std::string> pages = {
      {"solver", "SolverParameter"}, {"net", "NetParameter"}, {"layer", "LayerParameter"}};
  return pages;
}

// Formats that crema only upgrades: their fields are those of today.
bool IsOld(const Descriptor& message) {
  return message.name().compare(0, 2, "V1") == 0 || message.name().compare(0, 2, "V0") == 0;
}

template <class Visitor>
void ForEachField(const Visitor& visit) {
  for (const FileDescriptor* file : TheSchema().files) {
    for (int m = 0; m < file->message_type_count(); ++m) {
      const Descriptor& message = *file->message_type(m);
      if (IsOld(message)) continue;
      for (int f = 0; f < message.field_count(); ++f) visit(message, *message.field(f));
    }
    for (int e = 0; e < file->extension_count(); ++e) {
      visit(*file->extension(e)->containing_type(), *file->extension(e));
    }
  }
}

std::vector<std::string> FieldNames() {
  std::set<std::string> names;
  ForEachField(
      [&](const Descriptor&, const FieldDescriptor& field) { names.insert(field.name()); });
  return {names.begin(), names.end()};
}

// Where a message of this type is written: "convolution_param of Convolution, Deconvolution and
// Im2col layers".
std::string PlaceOf(const Descriptor& message) {
  if (message.name() == "SolverParameter") return "the solver";
  if (message.name() == "NetParameter") return "the net";
  if (message.name() == "LayerParameter") return "every layer";
  std::vector<std::string> places;
  ForEachField([&](const Descriptor& holder, const FieldDescriptor& field) {
    if (field.message_type() == nullptr || field.message_type()->name() != message.name()) return;
    const std::vector<std::string> types = TypesOfField(field);
    const bool is_of_layers = holder.name() == "LayerParameter" && !types.empty();
    const std::string in = holder.name() == "SolverParameter"  ? "the solver"
                           : holder.name() == "NetParameter"   ? "the net"
                           : holder.name() == "LayerParameter" ? "layers"
                                                               : holder.name();
    places.push_back(field.name() + " of " + (is_of_layers ? Join(types) : in));
  });
  return places.empty() ? message.name() : Join(places, "; ");
}

// A section for each message that has the field.
ManualPage FieldPage(const std::string& name) {
  ManualPage page;
  page.title = name;
  ForEachField([&](const Descriptor& message, const FieldDescriptor& field) {
    if (field.name() != name) return;
    page.sections.push_back({"In " + PlaceOf(message), "", {MakeField(field)}});
    for (const std::string& type : TypesOfField(field)) {
      page.use += (page.use.empty() ? "See also: crema help " : ", crema help ") + type;
    }
  });
  page.purpose = page.sections.size() == 1
                     ? "A field of the configuration language."
                     : Concat("A field that ", page.sections.size(), " messages have.");
  if (!page.use.empty()) page.use += ".";
  return page;
}

bool IsMessage(const std::string& name) {
  return Pool().FindMessageTypeByName("crema.proto." + name) != nullptr;
}

// Indented lines, which are tables and formulas, become blocks.
std::string MarkdownText(const std::string& text) {
  std::ostringstream out;
  std::istringstream lines(text);
  bool in_block = false;
  for (std::string line; std::getline(lines, line);) {
    const bool is_block = !line.empty() && line[0] == ' ';
    if (is_block != in_block) out << (is_block ? "\n```\n" : "```\n\n");
    in_block = is_block;
    out << line << "\n";
  }
  if (in_block) out << "```\n";
  return out.str();
}

std::string Cell(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.replace(at, 1, "\\|");
  }
  return text;
}

// The file of a layer's page, in the folder of pages.
std::string PageOf(const std::string& type) {
  const std::string folder = KindOfLayer(type).folder;
  return (folder.empty() ? "" : folder + "/") + type + ".md";
}

void WriteText(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) Fail(path.string(), ": cannot be written");
}

}  // namespace

ManualPage FindManualPage(const std::string& title, const std::vector<std::string>& others) {
  const auto message = MessagePages().find(title);
  if (message != MessagePages().end()) return MessagePage(title, message->second);
  std::vector<std::string> titles = LayerTypes(DeviceKind::kCpu);
  if (std::find(titles.begin(), titles.end(), title) != titles.end()) return LayerPage(title);
  if (IsMessage(title)) return MessagePage(title, title);
  const std::vector<std::string> fields = FieldNames();
  if (std::binary_search(fields.begin(), fields.end(), title)) return FieldPage(title);
  for (const auto& page : MessagePages()) titles.push_back(page.first);
  titles.insert(titles.end(), others.begin(), others.end());
  titles.insert(titles.end(), fields.begin(), fields.end());
  const std::string near = Nearest(title, titles);
  Fail(
      "no help on '", title, "'",
      near.empty() ? "; see crema help for commands and layers" : "; did you mean '" + near + "'?");
}

std::vector<ManualPage> LayerPages() {
  std::vector<ManualPage> pages;
  for (const std::string& type : LayerTypes(DeviceKind::kCpu)) pages.push_back(LayerPage(type));
  return pages;
}

std::string ToText(const ManualPage& page) {
  constexpr size_t kWidth = 90;
  std::ostringstream out;
  out << page.title << "\n\n" << Wrap(page.purpose, 2, kWidth);
  if (!page.use.empty()) out << "\n" << Wrap(page.use, 2, kWidth);
  for (const ManualSection& section : page.sections) {
    out << "\n" << section.title << "\n";
    if (!section.comment.empty()) out << Wrap(section.comment, 2, kWidth);
    for (const ManualField& field : section.fields) {
      out << "  " << field.name << "  (" << field.type << ")\n" << Wrap(field.comment, 6, kWidth);
      for (const std::string& value : field.values) out << Wrap(value, 8, kWidth);
    }
  }
  return out.str();
}

std::string ToMarkdown(const ManualPage& page) {
  std::ostringstream out;
  out << "# " << page.title << "\n\n" << MarkdownText(page.purpose);
  if (!page.use.empty()) out << "\n" << page.use << "\n";
  for (const ManualSection& section : page.sections) {
    out << "\n## " << section.title << "\n\n";
    if (!section.comment.empty()) out << MarkdownText(section.comment) << "\n";
    out << "| field | type | meaning |\n|---|---|---|\n";
    for (const ManualField& field : section.fields) {
      out << "| `" << field.name << "` | " << field.type << " | " << Cell(field.comment);
      for (const std::string& value : field.values) out << "<br>" << Cell(value);
      out << " |\n";
    }
  }
  return out.str();
}

void WriteLayerPages(const std::string& folder) {
  std::map<std::string, std::string> lists;
  for (const ManualPage& page : LayerPages()) {
    const LayerKind& kind = KindOfLayer(page.title);
    const std::string file = PageOf(page.title);
    const std::filesystem::path path = std::filesystem::path(folder) / file;
    std::error_code ignored;  // the file will not open then
    std::filesystem::create_directories(path.parent_path(), ignored);
    WriteText(path, ToMarkdown(page));
    lists[kind.title] += "- [" + page.title + "](" + file + "): " + Cell(page.summary) + "\n";
  }
  std::ostringstream index;
  index << "# Layers\n\nMade from the comments of [proto/crema.proto](../../proto/crema.proto) by "
           "`crema help --markdown=docs/layers`; change them there. `crema help NAME` prints a "
           "page.\n";
  for (const LayerKind& kind : LayerKinds()) {
    const std::string& list = lists[kind.title];
    if (!list.empty()) index << "\n## " << kind.title << "\n\n" << list;
  }
  WriteText(std::filesystem::path(folder) / "README.md", index.str());
}

}  // namespace crema
