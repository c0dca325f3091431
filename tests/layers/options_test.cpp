// Every number among the options of every layer, at the ends of its range: a sentence or a net.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <set>

#include "crema/dev/registry.h"
#include "crema/net.h"
#include "data/databases.h"
#include "layers/layer_examples.h"
#include "util/many_cases.h"
#include "util/peak_memory.h"

namespace crema::test {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
// From the layer's message down to a number.
using Path = std::vector<const FieldDescriptor*>;

std::string Lower(const std::string& text) {
  std::string lower;
  for (char c : text) {
    if (c != '_') lower.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return lower;
}

std::string NameOf(const FieldDescriptor& field) { return std::string(field.name()); }

bool IsOptions(const FieldDescriptor& field) {
  const std::string name = NameOf(field);
  return name.size() > 6 && name.substr(name.size() - 6) == "_param";
}

// Its own options, and others that the example gives.
bool Uses(const proto::LayerParameter& layer, const FieldDescriptor& field) {
  if (!IsOptions(field)) return true;
  return Lower(NameOf(field)) == Lower(layer.type()) + "param" ||
         layer.GetReflection()->HasField(layer, &field);
}

bool IsNumber(const FieldDescriptor& field) {
  return field.cpp_type() != FieldDescriptor::CPPTYPE_STRING &&
         field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
}

void AddPaths(const google::protobuf::Descriptor& message, const Path& above,
              std::vector<Path>* paths) {
  for (int i = 0; i < message.field_count(); ++i) {
    Path path = above;
    path.push_back(message.field(i));
    if (path.back()->message_type() != nullptr) {
      AddPaths(*path.back()->message_type(), path, paths);
    } else if (IsNumber(*path.back())) {
      paths->push_back(path);
    }
  }
}

std::vector<Path> PathsOf(const proto::LayerParameter& layer) {
  std::vector<Path> all, used;
  AddPaths(*layer.GetDescriptor(), {}, &all);
  for (const Path& path : all) {
    if (Uses(layer, *path[0])) used.push_back(path);
  }
  return used;
}

std::string ToString(const Path& path) {
  std::string text;
  for (const FieldDescriptor* field : path) text += (text.empty() ? "" : ".") + NameOf(*field);
  return text;
}

// The message that holds the last field of the path; made where it is not there.
Message* HolderOf(const Path& path, Message* message) {
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    const auto* reflection = message->GetReflection();
    if (!path[i]->is_repeated()) {
      message = reflection->MutableMessage(message, path[i]);
    } else if (reflection->FieldSize(*message, path[i]) > 0) {
      message = reflection->MutableRepeatedMessage(message, path[i], 0);
    } else {
      message = reflection->AddMessage(message, path[i]);
    }
  }
  return message;
}

// Sets the field or adds to it, from a number that its type holds.
void Put(const FieldDescriptor* field, double value, Message* message) {
  const auto* r = message->GetReflection();
  const bool adds = field->is_repeated();
  const auto put = [&](auto set, auto add, auto number) {
    if (adds) {
      (r->*add)(message, field, number);
    } else {
      (r->*set)(message, field, number);
    }
  };
  using R = google::protobuf::Reflection;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return put(&R::SetInt32, &R::AddInt32, static_cast<int32_t>(value));
    case FieldDescriptor::CPPTYPE_UINT32:
      return put(&R::SetUInt32, &R::AddUInt32, static_cast<uint32_t>(value));
    case FieldDescriptor::CPPTYPE_INT64:
      return put(&R::SetInt64, &R::AddInt64, static_cast<int64_t>(value));
    case FieldDescriptor::CPPTYPE_UINT64:
      return put(&R::SetUInt64, &R::AddUInt64, static_cast<uint64_t>(value));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return put(&R::SetFloat, &R::AddFloat, static_cast<float>(value));
    case FieldDescriptor::CPPTYPE_DOUBLE: return put(&R::SetDouble, &R::AddDouble, value);
    case FieldDescriptor::CPPTYPE_BOOL: return put(&R::SetBool, &R::AddBool, value != 0);
    case FieldDescriptor::CPPTYPE_ENUM:
      return put(&R::SetEnumValue, &R::AddEnumValue, static_cast<int>(value));
    default: FAIL() << field->full_name();
  }
}

std::vector<double> ValuesFor(const FieldDescriptor& field) {
  const double most = std::numeric_limits<int32_t>::max(), inf = HUGE_VAL;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return {0, 1, -1, most, -most - 1};
    case FieldDescriptor::CPPTYPE_UINT32: return {0, 1, most, most + 1, 2 * most + 1};
    case FieldDescriptor::CPPTYPE_INT64:
      return {0, 1, -1, most, -most - 1, 2 * most + 1, std::ldexp(1, 48), std::ldexp(-1, 63)};
    case FieldDescriptor::CPPTYPE_UINT64: return {0, 1, most, 2 * most + 1, std::ldexp(1, 63)};
    case FieldDescriptor::CPPTYPE_BOOL: return {0, 1};
    case FieldDescriptor::CPPTYPE_ENUM: {
      std::vector<double> values;
      for (int i = 0; i < field.enum_type()->value_count(); ++i) {
        values.push_back(field.enum_type()->value(i)->number());
      }
      return values;
    }
    default: return {0, -1, std::numeric_limits<double>::quiet_NaN(), inf, -inf, 1e38};
  }
}

// What is planned to be small and quick also runs.
bool IsSmall(const Graph& graph, const NetMemory& memory) {
  double flops = 0;
  for (const LayerNode& node : graph.layers) flops += node.layer->ForwardFlops();
  return memory.Total() < (4u << 20) && flops < 1e8;
}

void PlanAndRun(const proto::NetParameter& config, const NetOptions& options) {
  {
    const Graph graph = CompileNet(config, DeviceKind::kCpu, options);
    const NetMemory memory = MemoryOf(graph);
    DescribePlan(graph, memory, "CPU");
    if (!IsSmall(graph, memory)) return;
  }
  Net net(config, OpenDevice(DeviceKind::kCpu), options);
  for (int pass = 0; pass < 2; ++pass) {
    net.ClearGradients();
    net.Forward(pass);
    if (options.backward) net.Backward();
  }
  net.CheckAfterForward();
}

// Anything but a sentence, or a net, fails.
void Try(const LayerExample& example, const proto::LayerParameter& layer) {
  for (const proto::Phase phase : {proto::TRAIN, proto::TEST}) {
    NetOptions options;
    options.backward = phase == proto::TRAIN;
    options.threads = 1;
    try {
      PlanAndRun(ExampleNet(example, layer, phase), options);
    } catch (const Error& error) {
      EXPECT_STRNE(error.what(), "");
    } catch (const std::exception& error) {
      ADD_FAILURE() << layer.ShortDebugString() << "\n" << error.what();
    }
  }
}

class OptionsTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    WriteExampleData(temp_.path());
    ResetPeak();
    peak_ = PeakBytes();
  }
  // Nets that are not small are only planned.
  void TearDown() override { EXPECT_LT(PeakBytes(), peak_ + (256u << 20)); }

  void ForExamples(
      const std::function<void(const LayerExample&, const proto::LayerParameter&)>& f) {
    for (const LayerExample& example : LayerExamples()) {
      if (example.type == GetParam()) f(example, ExampleLayer(example, temp_.path()));
    }
  }

  TempFolder temp_;
  size_t peak_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Types, OptionsTest, testing::ValuesIn(ExampleTypes()),
                         [](const auto& info) { return info.param; });

TEST_P(OptionsTest, TheExamplesAreNets) {
  ForExamples([](const LayerExample& example, const proto::LayerParameter& layer) {
    SCOPED_TRACE(layer.ShortDebugString());
    for (const proto::Phase phase : {proto::TRAIN, proto::TEST}) {
      CompileOptions options;
      options.backward = phase == proto::TRAIN;
      EXPECT_NO_THROW(CompileNet(ExampleNet(example, layer, phase), DeviceKind::kCpu, options));
    }
  });
}

// Of how many cases one is run. HDF5 files are read by a child process first.
int StrideOf(const std::string& type) { return type == "HDF5Data" ? 5 : CaseStride(5); }

// If this takes long, a type is tried with a fifth of the fields that all layers have, and the next
// type with another fifth.
TEST_P(OptionsTest, TakeAnyNumberOrSayWhyNot) {
  const size_t stride = StrideOf(GetParam());
  size_t number = GetParam().size() + GetParam()[0];
  ForExamples([&](const LayerExample& example, const proto::LayerParameter& layer) {
    for (const Path& path : PathsOf(layer)) {
      if (!IsOptions(*path[0]) && ++number % stride != 0) continue;
      for (double value : ValuesFor(*path.back())) {
        SCOPED_TRACE(ToString(path) + ": " + std::to_string(value));
        for (int count : {1, 2}) {
          if (count > 1 && !path.back()->is_repeated()) break;
          proto::LayerParameter changed = layer;
          Message* const holder = HolderOf(path, &changed);
          holder->GetReflection()->ClearField(holder, path.back());
          for (int i = 0; i < count; ++i) Put(path.back(), value, holder);
          Try(example, changed);
        }
      }
    }
  });
}

// Several at once, of the layer's own options.
TEST_P(OptionsTest, TakeAnyNumbersOrSayWhyNot) {
  std::mt19937 random(11);
  ForExamples([&](const LayerExample& example, const proto::LayerParameter& layer) {
    std::vector<Path> paths;
    for (const Path& path : PathsOf(layer)) {
      if (IsOptions(*path[0])) paths.push_back(path);
    }
    for (int round = 0; round < 150 / StrideOf(GetParam()) && paths.size() > 1; ++round) {
      proto::LayerParameter changed = layer;
      for (size_t i = 0; i < 2 + random() % 2; ++i) {
        const Path& path = paths[random() % paths.size()];
        std::vector<double> values = ValuesFor(*path.back());
        if (path.back()->enum_type() == nullptr) {
          for (double more : {2.0, 3.0, 16777216.0, 1073741824.0}) values.push_back(more);
        }
        Message* const holder = HolderOf(path, &changed);
        if (random() % 2 == 0) holder->GetReflection()->ClearField(holder, path.back());
        Put(path.back(), values[random() % values.size()], holder);
      }
      SCOPED_TRACE(changed.ShortDebugString());
      Try(example, changed);
    }
  });
}

TEST(LayerExamplesTest, HaveEveryType) {
  const std::vector<std::string> examples = ExampleTypes();
  const std::set<std::string> known(examples.begin(), examples.end());
  for (const std::string& type : LayerTypes(DeviceKind::kCpu)) {
    if (type.find("OfTests") != std::string::npos) continue;
    EXPECT_EQ(known.count(type), 1u) << type << ": add an example to layer_examples.cpp";
  }
  EXPECT_EQ(known.size(), examples.size()) << "the examples of a type must follow each other";
}

TEST(LayerExamplesTest, UseAllOptions) {
  std::set<std::string> used;
  for (const LayerExample& example : LayerExamples()) {
    for (const Path& path : PathsOf(ExampleLayer(example, "/"))) used.insert(NameOf(*path[0]));
  }
  const auto* layer = proto::LayerParameter::descriptor();
  for (int i = 0; i < layer->field_count(); ++i) {
    const FieldDescriptor& field = *layer->field(i);
    if (!IsOptions(field) || NameOf(field) == "python_param") continue;
    std::vector<Path> paths;
    AddPaths(*field.message_type(), {}, &paths);
    if (paths.empty()) continue;
    EXPECT_EQ(used.count(NameOf(field)), 1u) << NameOf(field) << ": add an example that sets it";
  }
}

}  // namespace
}  // namespace crema::test
