#include "engines/onednn/call.h"

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

memory::desc ChannelsLast(const Shape& shape) {
  const memory::format_tag tags[] = {memory::format_tag::nwc, memory::format_tag::nhwc,
                                     memory::format_tag::ndhwc};
  CREMA_CHECK(shape.rank() >= 3 && shape.rank() <= 5, shape.ToString());
  return {memory::dims(shape.dims()), memory::data_type::f32, tags[shape.rank() - 3]};
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

memory::desc AnyOrder(const Shape& shape, int groups) {
  return {Grouped(shape, groups), memory::data_type::f32, memory::format_tag::any};
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

void Call::Run(std::initializer_list<Address> addresses) {
  if (!primitive_) primitive_ = dnnl::primitive(desc_.get());
  for (const Address& address : addresses) {
    const auto it = arguments_.find(address.id);
    if (it != arguments_.end()) it->second.set_data_handle(const_cast<void*>(address.memory));
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

}  // namespace crema::onednn
