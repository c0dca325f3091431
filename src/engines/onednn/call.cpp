#include "engines/onednn/call.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "base/strings.h"
#include "crema/error.h"
#include "engines/onednn/primitives.h"

#if DNNL_CPU_THREADING_RUNTIME != DNNL_RUNTIME_OMP && DNNL_CPU_THREADING_RUNTIME != DNNL_RUNTIME_SEQ
#error "oneDNN uses its own threads; build it with DNNL_CPU_RUNTIME=OMP, or build crema without it"
#endif

namespace crema::onednn {

using dnnl::memory;

const dnnl::engine& Cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

namespace {

dnnl::stream& Stream() {
  static thread_local dnnl::stream stream(Cpu());
  return stream;
}

}  // namespace

memory::desc ChannelsLast(const Shape& shape, memory::data_type type) {
  const memory::format_tag tags[] = {memory::format_tag::nwc, memory::format_tag::nhwc,
                                     memory::format_tag::ndhwc};
  CREMA_CHECK(shape.rank() >= 3 && shape.rank() <= 5, shape.ToString());
  return {memory::dims(shape.dims()), type, tags[shape.rank() - 3]};
}

memory::desc PartOf(const Shape& image, const Shape& few, const int* steps) {
  if (few == image) return ChannelsLast(image);
  const int rank = image.rank();
  memory::dims strides(rank);
  strides[1] = 1;
  int64_t pixel = image[1];  // numbers from one along an axis to the next
  for (int axis = rank - 1; axis >= 2; --axis) {
    strides[axis] = pixel * steps[axis - 2];
    pixel *= image[axis];
  }
  strides[0] = pixel;
  return {memory::dims(few.dims()), memory::data_type::f32, strides};
}

namespace {

memory::dims Grouped(const Shape& shape, int groups) {
  memory::dims dims = shape.dims();
  if (groups > 1) {
    dims[0] /= groups;
    dims.insert(dims.begin(), groups);
  }
  CREMA_CHECK(!dims.empty() && dims.size() <= 6, shape.ToString());
  return dims;
}

}  // namespace

memory::desc Plain(const Shape& shape, int groups) {
  const memory::format_tag tags[] = {memory::format_tag::a,     memory::format_tag::ab,
                                     memory::format_tag::abc,   memory::format_tag::abcd,
                                     memory::format_tag::abcde, memory::format_tag::abcdef};
  const memory::dims dims = Grouped(shape, groups);
  return {dims, memory::data_type::f32, tags[dims.size() - 1]};
}

memory::desc AnyOrder(const Shape& shape, int groups, memory::data_type type) {
  return {Grouped(shape, groups), type, memory::format_tag::any};
}

bool HasBFloat16() {
  const auto has = static_cast<int>(dnnl::get_effective_cpu_isa());
  const auto wanted = static_cast<int>(dnnl::cpu_isa::avx512_core_bf16);
  return (has & wanted) == wanted;
}

dnnl::primitive_attr CallerScratchpad() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

dnnl::post_ops PostOps(const Epilogue& epilogue) {
  dnnl::post_ops operations;
  if (epilogue.Adds()) operations.append_sum(1.0f);
  if (epilogue.HasRelu()) AppendRelu(epilogue.slope(), &operations);
  return operations;
}

std::string WhyNotUse(const dnnl::primitive_desc_base& desc, const std::string& what) {
  if (desc.get(true) == nullptr) return Concat("it has no kernel for ", what);
  const std::string kernel = desc.impl_info_str();
  if (kernel.find("ref") == std::string::npos) return "";
  return Concat("it has only slow code for ", what, " (", kernel, ")");
}

// Each thread that runs takes arguments of its own from those that are free.
struct Call::Shared {
  using Arguments = std::unordered_map<int, memory>;

  Arguments Take() {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!primitive) primitive = dnnl::primitive(desc.get());
    if (free.empty()) {
      Arguments made;
      for (const Argument& each : all) made.emplace(each.id, memory(each.desc, Cpu(), nullptr));
      return made;
    }
    Arguments taken = std::move(free.back());
    free.pop_back();
    return taken;
  }
  void GiveBack(Arguments arguments) {
    const std::lock_guard<std::mutex> lock(mutex);
    free.push_back(std::move(arguments));
  }

  dnnl::primitive_desc_base desc;
  std::vector<Argument> all;
  std::mutex mutex;
  dnnl::primitive primitive;
  std::vector<Arguments> free;
};

Call::Call(const dnnl::primitive_desc_base& desc, const std::vector<Argument>& arguments)
    : shared_(std::make_shared<Shared>()) {
  shared_->desc = desc;
  shared_->all = arguments;
  const memory::desc scratchpad = desc.scratchpad_desc();
  scratchpad_bytes_ = scratchpad.get_size();
  shared_->all.push_back({DNNL_ARG_SCRATCHPAD, scratchpad});
}

void Call::Run(const Address* first, const Address* last) {
  Shared::Arguments arguments = shared_->Take();
  for (const Address* address = first; address != last; ++address) {
    const auto it = arguments.find(address->id);
    if (it != arguments.end()) it->second.set_data_handle(const_cast<void*>(address->memory));
  }
  shared_->primitive.execute(Stream(), arguments);
  Stream().wait();
  shared_->GiveBack(std::move(arguments));
}

Call Reorder(const memory::desc& from, const memory::desc& to, bool adds) {
  dnnl::primitive_attr attr = CallerScratchpad();
  if (adds) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attr.set_post_ops(sum);
  }
  const dnnl::reorder::primitive_desc desc(Cpu(), from, Cpu(), to, attr);
  return {desc, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}};
}

ConvertingCall::ConvertingCall(const dnnl::primitive_desc_base& desc,
                               const std::vector<Argument>& arguments) {
  std::vector<Call::Argument> own;
  for (const Argument& argument : arguments) {
    own.push_back({argument.id, argument.primitives});
    if (argument.callers == argument.primitives) continue;
    Call reorder = argument.is_result ? Reorder(argument.primitives, argument.callers)
                                      : Reorder(argument.callers, argument.primitives);
    scratchpad_bytes_ = std::max(scratchpad_bytes_, reorder.scratchpad_bytes());
    copies_.push_back({argument.id, argument.is_result, std::move(reorder), copied_bytes_});
    copied_bytes_ += AlignUp(argument.primitives.get_size());
  }
  call_ = Call(desc, own);
  scratchpad_bytes_ = std::max(scratchpad_bytes_, call_.scratchpad_bytes());
}

void ConvertingCall::Run(std::initializer_list<Call::Address> addresses, char* scratch) {
  constexpr size_t kMost = 8;
  CREMA_CHECK(addresses.size() < kMost, addresses.size(), " arguments");
  std::array<Call::Address, kMost> own = {};
  Call::Address* const end = std::copy(addresses.begin(), addresses.end(), own.data());
  const void* const scratchpad = scratch + copied_bytes_;
  const auto copy_between = [&](Copy* copy, const void* from, const void* to) {
    copy->reorder.Run(
        {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}, {DNNL_ARG_SCRATCHPAD, scratchpad}});
  };
  const auto find = [](auto* first, auto* last, int id) {
    const auto it = std::find_if(first, last, [id](const auto& each) { return each.id == id; });
    CREMA_CHECK(it != last, "argument ", id, " is missing");
    return it;
  };
  for (Copy& copy : copies_) {
    Call::Address* const argument = find(own.data(), end, copy.id);
    if (!copy.is_result) copy_between(&copy, argument->memory, scratch + copy.at);
    argument->memory = scratch + copy.at;
  }
  *end = {DNNL_ARG_SCRATCHPAD, scratchpad};
  call_.Run(own.data(), end + 1);
  for (Copy& copy : copies_) {
    if (!copy.is_result) continue;
    const Call::Address* const callers = find(addresses.begin(), addresses.end(), copy.id);
    copy_between(&copy, scratch + copy.at, callers->memory);
  }
}

}  // namespace crema::onednn
