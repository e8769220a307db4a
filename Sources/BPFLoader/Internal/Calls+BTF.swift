import CLibBPF
import Glibc

extension Calls {
  static func structs(ofMap fd: Int32) -> Result<[BTFStruct], CallFailure> {
    var info = bpf_map_info()
    var length = UInt32(MemoryLayout<bpf_map_info>.size)
    // SAFETY: the kernel writes at most `length` bytes.
    guard unsafe bpf_obj_get_info_by_fd(fd, &info, &length) == 0 else {
      return .failure(CallFailure(errno: errno))
    }
    guard info.btf_id != 0 else { return .success([]) }
    // SAFETY: the types are freed once, after the last use; names and members lie in them.
    guard let types = unsafe btf__load_from_kernel_by_id(info.btf_id) else {
      return .failure(CallFailure(errno: errno))
    }
    defer { unsafe btf__free(types) }
    var result: [BTFStruct] = []
    for id in 1..<max(unsafe btf__type_cnt(types), 1) {
      // SAFETY: `id` is below the count; what is returned lives as long as `types`.
      guard let type = unsafe btf__type_by_id(types, id), unsafe btf_is_struct(type),
        let name = unsafe text(types, type.pointee.name_off), !name.isEmpty
      else { continue }
      let members = (0..<UInt32(unsafe btf_vlen(type))).compactMap { index -> BTFStruct.Member? in
        // SAFETY: a struct is followed by btf_vlen() members.
        guard let member = unsafe btf_members(type)?.advanced(by: Int(index)),
          let name = unsafe text(types, member.pointee.name_off)
        else { return nil }
        return BTFStruct.Member(
          name: name, offset: Int(unsafe btf_member_bit_offset(type, index)) / 8)
      }
      // SAFETY: still alive, see above.
      result.append(BTFStruct(name: name, size: Int(unsafe type.pointee.size), members: members))
    }
    return .success(result)
  }

  private static func text(_ types: OpaquePointer, _ offset: UInt32) -> String? {
    // SAFETY: NUL-terminated, inside `types`, which the caller keeps alive.
    guard let name = unsafe btf__name_by_offset(types, offset) else { return nil }
    return unsafe String(cString: name)
  }
}
