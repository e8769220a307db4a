/// A JSON value. Objects keep the order of their members, as the API server's answers have one.
public indirect enum JSON: Sendable, Hashable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSON])
  case object(JSONObject)

  /// The members in this order.
  public static func members(_ members: KeyValuePairs<String, JSON>) -> JSON {
    .object(JSONObject(members.map { ($0.key, $0.value) }))
  }

  public var string: String? { if case .string(let value) = self { value } else { nil } }
  public var int: Int? { if case .int(let value) = self { value } else { nil } }
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  public var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
  public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }
  public var isNull: Bool { self == .null }

  /// A member of an object. Setting nil removes it; setting one on what is not an object makes it
  /// an object.
  public subscript(key: String) -> JSON? {
    get { object?[key] }
    set {
      var members = object ?? JSONObject()
      members[key] = newValue
      self = .object(members)
    }
  }

  /// An element of an array, nil where there is none.
  public subscript(index: Int) -> JSON? {
    guard let array, array.indices.contains(index) else { return nil }
    return array[index]
  }

  /// What is at the end of a path of keys.
  public func at(_ path: String...) -> JSON? { at(path) }

  public func at(_ path: some Sequence<String>) -> JSON? {
    var value = self
    for key in path {
      guard let next = value[key] else { return nil }
      value = next
    }
    return value
  }

  /// Sets what is at the end of a path, making objects on the way. nil removes it.
  public mutating func set(_ path: String..., to value: JSON?) { set(path[...], to: value) }

  mutating func set(_ path: ArraySlice<String>, to value: JSON?) {
    guard let key = path.first else { return }
    if path.count == 1 {
      self[key] = value
    } else {
      var inner = self[key] ?? .object(JSONObject())
      inner.set(path.dropFirst(), to: value)
      self[key] = inner
    }
  }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
  ExpressibleByStringInterpolation
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .int(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(JSONObject(elements))
  }
}

/// The members of a JSON object, in order. Equal when they have the same members in any order.
public struct JSONObject: Sendable, Hashable {
  public private(set) var keys: [String] = []
  public private(set) var values: [JSON] = []

  public init() {}

  public init(_ members: [(String, JSON)]) {
    for (key, value) in members { self[key] = value }
  }

  public var isEmpty: Bool { keys.isEmpty }
  public var members: Zip2Sequence<[String], [JSON]> { zip(keys, values) }

  public subscript(key: String) -> JSON? {
    get {
      for index in keys.indices where keys[index] == key { return values[index] }
      return nil
    }
    set {
      if let index = keys.firstIndex(of: key) {
        if let newValue {
          values[index] = newValue
        } else {
          keys.remove(at: index)
          values.remove(at: index)
        }
      } else if let newValue {
        keys.append(key)
        values.append(newValue)
      }
    }
  }

  /// Appends a member that is known not to be there.
  mutating func append(_ key: String, _ value: JSON) {
    keys.append(key)
    values.append(value)
  }

  public static func == (left: Self, right: Self) -> Bool {
    guard left.keys.count == right.keys.count else { return false }
    return left.members.allSatisfy { right[$0.0] == $0.1 }
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(Set(keys))
  }
}
