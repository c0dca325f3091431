// Reductions on CUDA, without atomics: what is added to what depends on the sizes alone. One
// kernel does all: elements stand as (outer, group, inner), each group has one result, and the
// threads of a block are spread over these axes as the sizes ask for. Where groups are few and
// long, several blocks share a group, and a second launch combines what they found.
#pragma once

#include "crema/dev/pair.h"
#include "crema/dev/reduce_ops.h"
#include "crema/layout.h"
#include "target/for_each.h"

namespace crema {
inline namespace CREMA_TARGET {

// How kBlockThreads threads = groups * outer_lanes * inner_lanes and the blocks share the work.
struct ReducePlan {
  int64_t outer, groups;
  int inner;
  int block_groups, outer_lanes, inner_lanes;
  bool groups_first;  // neighbouring threads belong to neighbouring groups, else to one group
  int outer_chunks = 1, inner_chunks = 1;
  int64_t outer_chunk, inner_chunk;

  int chunks() const { return outer_chunks * inner_chunks; }
};

inline int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Cuts groups so that about kWantedBlocks blocks have work, but none too little.
inline void CutIntoChunks(ReducePlan* plan, size_t result_bytes) {
  constexpr int64_t kWantedBlocks = 1024, kBlockElements = 4096;
  const int64_t blocks = CeilDivide(plan->groups, plan->block_groups);
  const int64_t group_elements = plan->outer * plan->inner;
  const int64_t room = static_cast<int64_t>(CudaDevice::kReduceBytes / result_bytes);
  const int64_t wanted = std::min({CeilDivide(kWantedBlocks, blocks), room / plan->groups,
                                   group_elements * plan->block_groups / kBlockElements});
  if (wanted <= 1) return;
  const int64_t outer_steps = CeilDivide(plan->outer, plan->outer_lanes);
  const int64_t inner_steps = CeilDivide(plan->inner, plan->inner_lanes);
  const int64_t outer_chunks = std::min(wanted, outer_steps);
  plan->outer_chunk = CeilDivide(outer_steps, outer_chunks) * plan->outer_lanes;
  plan->outer_chunks = static_cast<int>(CeilDivide(plan->outer, plan->outer_chunk));
  const int64_t inner_chunks = std::min(std::max<int64_t>(1, wanted / outer_chunks), inner_steps);
  plan->inner_chunk = CeilDivide(inner_steps, inner_chunks) * plan->inner_lanes;
  plan->inner_chunks = static_cast<int>(CeilDivide(plan->inner, plan->inner_chunk));
}

inline ReducePlan PlanReduction(int64_t outer, int64_t groups, int inner) {
  ReducePlan plan;
  plan.outer = outer;
  plan.groups = groups;
  plan.inner = inner;
  plan.groups_first = inner == 1 && groups > 1 && outer > 1;
  if (plan.groups_first) {
    plan.block_groups = PowerOfTwo(groups, 32);
    plan.inner_lanes = 1;
    plan.outer_lanes = kBlockThreads / plan.block_groups;
  } else {
    plan.inner_lanes = PowerOfTwo(inner, kBlockThreads);
    plan.outer_lanes = PowerOfTwo(outer, kBlockThreads / plan.inner_lanes);
    plan.block_groups = kBlockThreads / (plan.inner_lanes * plan.outer_lanes);
  }
  plan.outer_chunk = outer;
  plan.inner_chunk = inner;
  return plan;
}

// get(outer, group, inner) gives an element; put(group, chunk, total) takes a result.
template <class Op, class T, class Get, class Put>
__global__ void __launch_bounds__(kBlockThreads) ReduceGroups(ReducePlan plan, Get get, Put put) {
  __shared__ T totals[kBlockThreads];
  const int thread = threadIdx.x, chunk = blockIdx.y;
  const int lanes = kBlockThreads / plan.block_groups;
  const int lane = plan.groups_first ? thread / plan.block_groups : thread % lanes;
  const int group_lane = plan.groups_first ? thread % plan.block_groups : thread / lanes;
  const int next_lane = plan.groups_first ? plan.block_groups : 1;
  const int64_t outer_first = chunk / plan.inner_chunks * plan.outer_chunk;
  const int64_t inner_first = chunk % plan.inner_chunks * plan.inner_chunk;
  const int64_t outer_last = min(plan.outer, outer_first + plan.outer_chunk);
  const int64_t inner_last = min(int64_t{plan.inner}, inner_first + plan.inner_chunk);
  const int64_t stride = int64_t{gridDim.x} * plan.block_groups;
  // All threads of a block take part in every round: they meet at the barriers.
  for (int64_t base = int64_t{blockIdx.x} * plan.block_groups; base < plan.groups; base += stride) {
    const int64_t group = base + group_lane;
    T total = Op::template Identity<T>();
    if (group < plan.groups) {
      for (int64_t o = outer_first + lane / plan.inner_lanes; o < outer_last;
           o += plan.outer_lanes) {
        for (int64_t i = inner_first + lane % plan.inner_lanes; i < inner_last;
             i += plan.inner_lanes) {
          total = Op::Combine(total, static_cast<T>(get(o, group, static_cast<int>(i))));
        }
      }
    }
    totals[thread] = total;
    for (int half = lanes / 2; half > 0; half /= 2) {
      __syncthreads();
      if (lane < half) {
        totals[thread] = Op::Combine(totals[thread], totals[thread + half * next_lane]);
      }
    }
    if (lane == 0 && group < plan.groups) put(group, chunk, totals[thread]);
    __syncthreads();
  }
}

template <class F>
struct RowElement {
  F f;
  __device__ auto operator()(int64_t, int64_t row, int col) const { return f(row, col); }
};

template <class F>
struct ChannelElement {
  F f;
  __device__ auto operator()(int64_t outer, int64_t channel, int inner) const {
    return f(outer, static_cast<int>(channel), inner);
  }
};

template <class T>
struct PartialElement {
  const T* partial;
  int chunks;
  __device__ T operator()(int64_t, int64_t group, int chunk) const {
    return partial[group * chunks + chunk];
  }
};

template <class T>
struct PutPartial {
  T* partial;
  int chunks;
  __device__ void operator()(int64_t group, int chunk, T total) const {
    partial[group * chunks + chunk] = total;
  }
};

template <class Group, class T, class Store>
struct PutResult {
  Store store;
  __device__ void operator()(int64_t group, int, T total) const {
    store(static_cast<Group>(group), total);
  }
};

template <class Op, class T, class Get, class Put>
void LaunchReduction(const CudaDevice& device, const ReducePlan& plan, Get get, Put put) {
  const dim3 grid(GridSize(plan.groups, plan.block_groups, kMaxGridX), plan.chunks());
  ReduceGroups<Op, T><<<grid, kBlockThreads, 0, device.stream()>>>(plan, get, put);
  device.CheckLaunch();
}

template <class Op, class T, class Get, class Put>
void Reduce(const Context& ctx, int64_t outer, int64_t groups, int inner, Get get, Put put) {
  const CudaDevice& device = CudaOf(ctx);
  ReducePlan plan = PlanReduction(outer, groups, inner);
  CutIntoChunks(&plan, sizeof(T));
  if (plan.chunks() == 1) {
    LaunchReduction<Op, T>(device, plan, get, put);
    return;
  }
  T* partial = static_cast<T*>(device.reduce_buffer());
  LaunchReduction<Op, T>(device, plan, get, PutPartial<T>{partial, plan.chunks()});
  LaunchReduction<Op, T>(device, PlanReduction(1, groups, plan.chunks()),
                         PartialElement<T>{partial, plan.chunks()}, put);
}

template <class Op, class T, class F, class Store>
void ReduceRows(const Context& ctx, int64_t rows, int cols, F f, Store store) {
  if (rows <= 0) return;
  Reduce<Op, T>(ctx, 1, rows, cols, RowElement<F>{f}, PutResult<int64_t, T, Store>{store});
}

template <class Op, class T, class F, class Store>
void ReduceChannels(const Context& ctx, const ChannelView& view, F f, Store store) {
  if (view.channels <= 0) return;
  Reduce<Op, T>(ctx, view.outer, view.channels, view.inner, ChannelElement<F>{f},
                PutResult<int, T, Store>{store});
}

}  // namespace CREMA_TARGET
}  // namespace crema
