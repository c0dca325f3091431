#include "engines/onednn/call.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "crema/base/error.h"
#include "engines/onednn/primitives.h"

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

std::string WhyNotUse(const dnnl::primitive_desc_base& desc, const std::string& what) {
  if (desc.get(true) == nullptr) return Concat("it has no kernel for ", what);
  const std::string kernel = desc.impl_info_str();
  if (kernel.find("ref") == std::string::npos) return "";
  return Concat("it has only slow code (", kernel, ") for ", what);
}

Call::Call(const dnnl::primitive_desc_base& desc, const std::vector<Argument>& arguments)
    : desc_(desc) {
  for (const Argument& argument : arguments) {
    arguments_.emplace(argument.id, memory(argument.desc, Cpu(), nullptr));
  }
  const memory::desc scratchpad = desc.scratchpad_desc();
  scratchpad_bytes_ = scratchpad.get_size();
  arguments_.emplace(DNNL_ARG_SCRATCHPAD, memory(scratchpad, Cpu(), nullptr));
}

void Call::Run(const Address* first, const Address* last) {
  if (!primitive_) primitive_ = dnnl::primitive(desc_.get());
  for (const Address* address = first; address != last; ++address) {
    const auto it = arguments_.find(address->id);
    if (it != arguments_.end()) it->second.set_data_handle(const_cast<void*>(address->memory));
  }
  primitive_.execute(Stream(), arguments_);
  Stream().wait();
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
  addresses_ = addresses;
  const void* const scratchpad = scratch + copied_bytes_;
  const auto copy_between = [&](Copy* copy, const void* from, const void* to) {
    copy->reorder.Run(
        {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}, {DNNL_ARG_SCRATCHPAD, scratchpad}});
  };
  for (Copy& copy : copies_) {
    const auto same = [&copy](const Call::Address& a) { return a.id == copy.id; };
    const auto it = std::find_if(addresses_.begin(), addresses_.end(), same);
    CREMA_CHECK(it != addresses_.end(), "argument ", copy.id, " is missing");
    copy.callers = it->memory;
    it->memory = scratch + copy.at;
    if (!copy.is_result) copy_between(&copy, copy.callers, it->memory);
  }
  addresses_.push_back({DNNL_ARG_SCRATCHPAD, scratchpad});
  call_.Run(addresses_.data(), addresses_.data() + addresses_.size());
  for (Copy& copy : copies_) {
    if (copy.is_result) copy_between(&copy, scratch + copy.at, copy.callers);
  }
}

}  // namespace crema::onednn
