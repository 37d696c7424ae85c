import { Empty } from "../../components/states";

export default function System() {
  return <Empty title="System" />;
}
