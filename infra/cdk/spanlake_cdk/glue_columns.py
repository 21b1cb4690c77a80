"""The columns that every block has, in the types of Glue."""

_ATTRIBUTES = "array<struct<key:string,string:string,int:bigint,double:double,bool:boolean,rest:string>>"
_REST = "array<struct<key:string,value:string>>"

COLUMNS = {
    "trace_id": "binary",
    "span_id": "binary",
    "parent_span_id": "binary",
    "start_time_unix_nano": "bigint",
    "duration_nano": "bigint",
    "name": "string",
    "kind": "int",
    "status_code": "int",
    "status_message": "string",
    "trace_state": "string",
    "flags": "bigint",
    "dropped_attributes_count": "bigint",
    "dropped_events_count": "bigint",
    "dropped_links_count": "bigint",
    "service_name": "string",
    "resource_id": "bigint",
    "scope_id": "bigint",
    "scope_name": "string",
    "scope_version": "string",
    "resource_schema_url": "string",
    "scope_schema_url": "string",
    "resource_dropped_attributes_count": "bigint",
    "scope_dropped_attributes_count": "bigint",
    "resource_entity_refs": (
        "array<struct<schema_url:string,type:string,id_keys:array<string>,description_keys:array<string>>>"
    ),
    "events": (
        f"array<struct<time_unix_nano:bigint,name:string,dropped_attributes_count:bigint,attributes:{_ATTRIBUTES}>>"
    ),
    "links": (
        "array<struct<trace_id:binary,span_id:binary,trace_state:string,flags:bigint,"
        f"dropped_attributes_count:bigint,attributes:{_ATTRIBUTES}>>"
    ),
    "resource_rest": _REST,
    "span_rest": _REST,
    "scope_rest": _REST,
    "end_time_unix_nano": "bigint",
}
