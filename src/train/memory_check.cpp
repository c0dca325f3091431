#include "train/memory_check.h"

#include <glog/logging.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/in_source.h"
#include "base/rounding.h"
#include "base/strings.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "net/memory_limit.h"
#include "solvers/solver_error.h"

namespace crema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// In bytes.
struct Need {
  double train = 0, tests = 0, solver = 0;
  double host = 0;  // of these, what layers keep whatever the batch size: data and lists
  double Total() const { return train + tests + solver; }
};

std::string Text(double bytes) { return BytesToString(bytes); }

Graph Compile(const TrainingPlan& plan, const proto::NetParameter& net, bool backward) {
  CompileOptions options;
  options.dtype = plan.dtype;
  options.threads = plan.threads;
  options.backward = backward;
  options.fuse = plan.fuse;
  options.keep_blobs = plan.keep_blobs;
  if (backward) options.memory_limit = plan.train_limit;
  return CompileNet(net, plan.device, options);
}

Need NeedOf(const TrainingPlan& plan) {
  Need need;
  const NetMemory train = InSource(
      plan.train_title, [&] { return MemoryOf(Compile(plan, *plan.train, true)); },
      InFile(plan.train_file).place());
  size_t arena = train.arena;  // which the nets use in turn
  need.train = static_cast<double>(train.Total());
  need.host = static_cast<double>(train.host);
  need.solver = static_cast<double>(train.params) * plan.histories +
                static_cast<double>(SizeOf(plan.dtype)) * plan.losses;
  for (size_t i = 0; i < plan.tests.size(); ++i) {
    const NetMemory memory = InSource(
        plan.test_titles[i], [&] { return MemoryOf(Compile(plan, *plan.tests[i], false)); },
        InFile(plan.test_files[i]).place());
    const size_t larger = std::max(arena, memory.arena);
    need.tests += static_cast<double>(memory.Total() - memory.params - memory.arena);
    need.tests += static_cast<double>(larger - arena);
    need.host += static_cast<double>(memory.host);
    arena = larger;
  }
  return need;
}

// A layer's batch size: the field of that name, whichever type's options it is in, or the first
// extent of the shapes of layers that make blobs of any shape. 0: it has none. `factor` changes it.
int64_t ScaleBatch(double factor, proto::LayerParameter* layer) {
  int64_t found = 0;
  const auto scaled = [&](int64_t batch) {
    found = found == 0 ? batch : found;
    return std::max<int64_t>(1, static_cast<int64_t>(std::floor(
                                    RoundedProduct(static_cast<double>(batch), factor) + 1e-9)));
  };
  std::vector<const FieldDescriptor*> fields;
  layer->GetReflection()->ListFields(*layer, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated() || field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    Message* options = layer->GetReflection()->MutableMessage(layer, field);
    const FieldDescriptor* batch = options->GetDescriptor()->FindFieldByName("batch_size");
    if (batch == nullptr || batch->cpp_type() != FieldDescriptor::CPPTYPE_UINT32) continue;
    const google::protobuf::Reflection* reflection = options->GetReflection();
    const auto size = static_cast<uint32_t>(scaled(reflection->GetUInt32(*options, batch)));
    reflection->SetUInt32(options, batch, size);
  }
  const auto scale_shapes = [&](auto* shapes) {
    for (proto::BlobShape& shape : *shapes) {
      if (shape.dim_size() > 0) shape.set_dim(0, scaled(shape.dim(0)));
    }
  };
  if (layer->has_dummy_data_param())
    scale_shapes(layer->mutable_dummy_data_param()->mutable_shape());
  if (layer->has_input_param()) scale_shapes(layer->mutable_input_param()->mutable_shape());
  return found;
}

// The batch size of a net; 0 where no layer tells.
int64_t BatchOf(const Graph& graph) {
  for (const LayerNode& node : graph.layers) {
    proto::LayerParameter config = node.layer->config();
    const int64_t batch = node.bottoms.empty() ? ScaleBatch(1, &config) : 0;
    if (batch > 0) return batch;
  }
  return 0;
}

proto::NetParameter WithBatch(double factor, proto::NetParameter net) {
  for (proto::LayerParameter& layer : *net.mutable_layer()) ScaleBatch(factor, &layer);
  return net;
}

// The largest batch below `batch` that fits; 0: none. `need` tells the bytes that the net would
// take with so many times its batch.
int64_t LargestBatch(int64_t batch, size_t available,
                     const std::function<double(double factor)>& need) {
  int64_t fits = 0, too_large = batch;
  while (too_large - fits > 1) {
    const int64_t middle = fits + (too_large - fits) / 2;
    const double bytes = need(static_cast<double>(middle) / static_cast<double>(batch));
    (bytes <= static_cast<double>(available) ? fits : too_large) = middle;
  }
  return fits;
}

// What else would help where layers keep `bytes` of data and lists.
std::string HostAdvice(double bytes) {
  if (bytes == 0) return "";
  return Concat(", or smaller HDF5 files or shorter lists, of which layers keep ", Text(bytes),
                " in memory");
}

std::string Advice(const TrainingPlan& plan, size_t available) {
  try {
    const int64_t batch = BatchOf(Compile(plan, *plan.train, true));
    const int64_t largest = LargestBatch(batch, available, [&](double factor) {
      TrainingPlan scaled = plan;
      const proto::NetParameter train = WithBatch(factor, *plan.train);
      scaled.train = &train;
      return NeedOf(scaled).Total();
    });
    if (largest > 0) {
      return Concat("batch_size ", largest, " instead of ", batch,
                    " in the training net would fit (raise iter_size to compensate)");
    }
  } catch (const Error&) {  // a net that takes one batch size only
  }
  return Concat("no batch size of the training net would fit; use smaller test batches or a ",
                "smaller net", HostAdvice(NeedOf(plan).host));
}

double NeedToRun(const proto::NetParameter& net, DeviceKind device, const CompileOptions& options) {
  return static_cast<double>(MemoryOf(CompileNet(net, device, options)).Total());
}

std::string AdviceToRun(const proto::NetParameter& net, DeviceKind device,
                        const CompileOptions& options, size_t available) {
  try {
    const int64_t batch = BatchOf(CompileNet(net, device, options));
    const int64_t largest = LargestBatch(batch, available, [&](double factor) {
      return NeedToRun(WithBatch(factor, net), device, options);
    });
    if (largest > 0) return Concat("batch_size ", largest, " instead of ", batch, " would fit");
  } catch (const Error&) {  // a net that takes one batch size only
  }
  const auto host = static_cast<double>(MemoryOf(CompileNet(net, device, options)).host);
  return "no batch size would fit; use a smaller net" + HostAdvice(host);
}

}  // namespace

size_t LimitOfTrainNet(const TrainingPlan& plan, size_t limit) {
  const auto bytes = static_cast<double>(limit);
  const std::string given = Concat("memory_limit is ", limit >> 20, " MiB, but ");
  if (plan.keep_blobs) {
    FailInSolver(given, "debug_info keeps all values; remove one of them");
  }
  const Need need = NeedOf(plan);
  const double others = need.Total() - need.train;
  if (bytes < others + 1) {
    FailInSolver(given, "the test nets and the solver alone need ", Text(others),
                 "; raise it or use smaller nets");
  }
  TrainingPlan limited = plan;
  limited.train_limit = static_cast<size_t>(bytes - others);
  // The arena, which the test nets use too, is then smaller, and they may need more.
  const double total = NeedOf(limited).Total();
  if (total <= bytes) return limited.train_limit;
  FailInSolver(given, "training needs ", Text(total),
               " whatever is recomputed; raise it or use smaller test batches");
}

void CheckMemory(const TrainingPlan& plan, size_t available) {
  const Need need = NeedOf(plan);
  const std::string parts =
      Concat(Text(need.Total()), " (training net ", Text(need.train), ", test nets ",
             Text(need.tests), ", solver ", Text(need.solver), ")");
  const std::string of = available == 0 ? "" : Concat(" of ", Text(static_cast<double>(available)));
  LOG(INFO) << "Memory planned: " << parts << of;
  if (available == 0 || need.Total() <= static_cast<double>(available)) return;
  Fail("training needs ", parts, " of memory, but only ", Text(static_cast<double>(available)),
       " is available; ", Advice(plan, available));
}

std::unique_ptr<Net> MakeNetToRun(const proto::NetParameter& config, std::shared_ptr<Device> device,
                                  NetOptions options, size_t available) {
  options.memory_limit = available;
  try {
    return std::make_unique<Net>(config, device, options);
  } catch (const MemoryLimitError& error) {
    options.memory_limit = 0;
    Fail(error.what(), "; ", AdviceToRun(config, device->kind(), options, available));
  }
}

}  // namespace crema
