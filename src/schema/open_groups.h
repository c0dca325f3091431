// The groups that are open at a place of a protobuf text, and what its author calls them.
#pragma once

#include <google/protobuf/descriptor.h>

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace crema {

// A layer's message, in the present format or in V1.
bool IsLayer(const google::protobuf::Descriptor* type);

// In double quotes, as errors show what stands in a file.
std::string Quoted(const std::string& text);

// The text or the beginning of its first line: keeps a sentence readable when the file is not.
std::string Shortened(const std::string& text);

// The file is the outermost group, and always open.
class OpenGroups {
 public:
  // One group, `field { ... }`.
  struct Group {
    std::string field;
    const google::protobuf::Descriptor* type;
    int line;  // where it opens; counted from 0, as the column is
    int column;
    std::set<const google::protobuf::FieldDescriptor*> seen;  // the fields so far
  };

  // `type` is that of the whole file; `text` must live as long.
  OpenGroups(const std::string& text, const google::protobuf::Descriptor* type);

  // A group opens within the innermost one.
  void Open(Group group) { groups_.push_back(std::move(group)); }
  // The innermost one closes; it must not be the file.
  void Close() { groups_.pop_back(); }

  // The innermost group.
  Group& Top() { return groups_.back(); }
  // How many are open besides the file.
  size_t depth() const { return groups_.size() - 1; }

  // The name of the layer that is open; "" if none is, or it has none.
  std::string LayerName() const;

  // What has, or has not, a field: `a net`, `layer "conv1"`, `layer "conv1": pooling_param`.
  std::string Subject() const;
  // `layer "conv1", convolution_param`
  std::string Path() const;
  // The beginning of a sentence about the innermost group: `layer "conv1": in convolution_param, `.
  std::string Where() const;

 private:
  size_t LayerGroup() const;  // the layer's place in groups_, or 0 if no layer is open
  std::string NameOf(size_t layer) const;
  std::string LayerWords(size_t layer) const;
  std::string FieldPath(size_t from) const;  // `convolution_param.weight_filler`, below that group

  const std::string& text_;
  std::vector<Group> groups_;
};

}  // namespace crema
