// A component that is drawn again only when a property has changed; functions among them do not count.
import { Component, h, type ComponentType, type VNode } from "preact";

export function memo<Props extends object>(Inner: ComponentType<Props>): ComponentType<Props> {
  return class Memo extends Component<Props> {
    override shouldComponentUpdate(next: Props): boolean {
      const names = Object.keys(next) as (keyof Props)[];
      return names.some((name) => next[name] !== this.props[name] && typeof next[name] !== "function");
    }
    override render(): VNode {
      return h(Inner as ComponentType<object>, this.props);
    }
  } as ComponentType<Props>;
}
