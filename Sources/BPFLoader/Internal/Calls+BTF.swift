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

  // MARK: Types of maps

  /// - Returns: nil when the map was made without type information.
  static func types(ofMap fd: Int32) -> Result<MapTypes?, CallFailure> {
    var info = bpf_map_info()
    var length = UInt32(MemoryLayout<bpf_map_info>.size)
    // SAFETY: the kernel writes at most `length` bytes.
    guard unsafe bpf_obj_get_info_by_fd(fd, &info, &length) == 0 else {
      return .failure(CallFailure(errno: errno))
    }
    guard info.btf_id != 0, info.btf_value_type_id != 0 else { return .success(nil) }
    // SAFETY: the types are freed once, after the last use.
    guard let types = unsafe btf__load_from_kernel_by_id(info.btf_id) else {
      return .failure(CallFailure(errno: errno))
    }
    defer { unsafe btf__free(types) }
    return unsafe .success(
      MapTypes(
        key: dataType(types, info.btf_key_type_id), value: dataType(types, info.btf_value_type_id)))
  }

  // In the kernel's header and in libbpf's, which is too much for Swift.
  private static let kindFloat = 16
  private static let kindTypeTag = 18
  private static let kindEnum64 = 19

  /// - Precondition: `types` lives until this returns.
  static func dataType(
    _ types: OpaquePointer, _ id: UInt32, isNetworkOrder: Bool = false, depth: Int = 0
  ) -> DataType {
    // SAFETY: libbpf returns nil for an id that there is none of; what it returns lives in `types`.
    guard id != 0, depth < 32, let type = unsafe btf__type_by_id(types, id) else {
      return .other("of no known type", size: 0)
    }
    // SAFETY: the union's member is the one that the kind says.
    let size = Int(unsafe type.pointee.size)
    switch Int(unsafe btf_kind(type)) {
    case Int(BTF_KIND_INT):
      // SAFETY: an integer is followed by its encoding.
      let isSigned = unsafe Int32(btf_int_encoding(type)) & Int32(BTF_INT_SIGNED) != 0
      return .integer(size: size, isSigned: isSigned, isNetworkOrder: isNetworkOrder)
    case Int(BTF_KIND_ENUM), Self.kindEnum64:
      return .integer(size: size, isSigned: unsafe btf_kflag(type), isNetworkOrder: false)
    case Int(BTF_KIND_TYPEDEF), Int(BTF_KIND_CONST), Int(BTF_KIND_VOLATILE),
      Int(BTF_KIND_RESTRICT), Self.kindTypeTag:
      // SAFETY: as above.
      let name = unsafe text(types, type.pointee.name_off) ?? ""
      return unsafe dataType(
        types, type.pointee.type,
        isNetworkOrder: isNetworkOrder || ["__be16", "__be32", "__be64"].contains(name),
        depth: depth + 1)
    case Int(BTF_KIND_ARRAY):
      // SAFETY: an array is followed by what it is made of.
      guard let array = unsafe btf_array(type) else { return .other("an array", size: 0) }
      return unsafe .array(
        of: dataType(types, array.pointee.type, depth: depth + 1),
        count: Int(array.pointee.nelems))
    case Int(BTF_KIND_STRUCT):
      let members = (0..<UInt32(unsafe btf_vlen(type))).compactMap { index -> DataMember? in
        // SAFETY: a struct is followed by btf_vlen() members.
        guard let member = unsafe btf_members(type)?.advanced(by: Int(index)) else { return nil }
        let name = unsafe text(types, member.pointee.name_off) ?? ""
        let isPlain = unsafe btf_member_bitfield_size(type, index) == 0 && !name.isEmpty
        return unsafe DataMember(
          name: name, offset: Int(btf_member_bit_offset(type, index)) / 8,
          type: isPlain
            ? dataType(types, member.pointee.type, depth: depth + 1)
            : .other(name.isEmpty ? "without a name" : "a bit-field", size: 0))
      }
      return .structure(size: size, members: members)
    case Int(BTF_KIND_UNION): return .other("a union", size: size)
    case Int(BTF_KIND_PTR): return .other("a pointer", size: 8)
    case Self.kindFloat: return .other("a floating-point number", size: size)
    default: return .other("of another kind", size: 0)
    }
  }

  private static func text(_ types: OpaquePointer, _ offset: UInt32) -> String? {
    // SAFETY: NUL-terminated, inside `types`, which the caller keeps alive.
    guard let name = unsafe btf__name_by_offset(types, offset) else { return nil }
    return unsafe String(cString: name)
  }
}
